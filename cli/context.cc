#include "cli/context.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"

namespace godwit::cli {

void Context::AddTo(Flags& flags) {
  flags.String("tls-dir", &tls_dir_, "folder with tls.crt, tls.key and ca.crt");
  for (auto& [service, endpoint] : endpoints_) {
    flags.String(service, &endpoint, absl::StrCat("host:port of the ", service, " service"));
  }
  flags.String("enrollment", &enrollment_, "host:port of the registry's enrolment port");
  flags.String("output", &output_, "table or json");
  flags.Duration("call-timeout", &call_timeout_, "longest wait for one answer");
}

absl::Status Context::Check() const {
  if (output_ != "table" && output_ != "json") {
    return absl::InvalidArgumentError(absl::StrCat("--output: ", output_, " is neither table nor json"));
  }
  if (call_timeout_ <= absl::ZeroDuration() || call_timeout_ > absl::Hours(1)) {
    return absl::InvalidArgumentError("--call-timeout: from 1ms to 1h");
  }
  return absl::OkStatus();
}

bool Context::Knows(absl::string_view service) const {
  const auto found = endpoints_.find(std::string(service));
  return found != endpoints_.end() && !found->second.empty();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Context::Channel(absl::string_view service) {
  const std::string name(service);
  if (const auto open = channels_.find(name); open != channels_.end()) return open->second;
  if (!Knows(service)) {
    return absl::InvalidArgumentError(
        absl::StrCat("where is the ", name, " service? Give --", name,
                     " HOST:PORT, or set it in the configuration file"));
  }
  if (tls_dir_.empty()) {
    return absl::InvalidArgumentError(
        "no certificate: give --tls-dir DIR, or set it in the configuration file");
  }
  const absl::StatusOr<rpc::TlsMaterial> tls = rpc::LoadTls(tls_dir_);
  if (!tls.ok()) return absl::PermissionDeniedError(tls.status().message());
  const rpc::Identity peer = {.kind = rpc::PeerKind::kService, .id = name};
  return channels_[name] = rpc::Dial(endpoints_[name], peer, *tls);
}

}  // namespace godwit::cli
