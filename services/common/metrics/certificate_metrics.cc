#include "services/common/metrics/certificate_metrics.h"

#include <optional>

#include "absl/strings/string_view.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"

namespace godwit {
namespace {

// The first end of all certificates in a PEM text.
std::optional<absl::Time> FirstEnd(absl::string_view pem) {
  constexpr absl::string_view kEnd = "-----END CERTIFICATE-----";
  std::optional<absl::Time> first;
  while (true) {
    const std::size_t end = pem.find(kEnd);
    if (end == absl::string_view::npos) return first;
    const auto not_after = rpc::NotAfter(std::string(pem.substr(0, end + kEnd.size())));
    if (not_after.ok() && (!first || *not_after < *first)) first = *not_after;
    pem.remove_prefix(end + kEnd.size());
  }
}

}  // namespace

std::function<void(Samples&)> CertificateEnds(const std::string& tls_dir) {
  return [tls_dir](Samples& to) {
    const absl::StatusOr<rpc::TlsMaterial> tls = rpc::LoadTls(tls_dir);
    if (!tls.ok()) return;
    const std::pair<const char*, std::optional<absl::Time>> kinds[] = {
        {"own", FirstEnd(tls->certificate_chain)}, {"ca", FirstEnd(tls->ca)}};
    for (const auto& [kind, end] : kinds) {
      if (!end) continue;
      to.Gauge("godwit_certificate_expiry_timestamp_seconds",
               "When the certificate ends: the service's own, or the first of those it trusts.",
               {{"certificate", kind}}, absl::ToDoubleSeconds(*end - absl::UnixEpoch()));
    }
  };
}

}  // namespace godwit
