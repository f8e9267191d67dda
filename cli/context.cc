#include "cli/context.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/certificate_life.h"
#include "services/common/rpc/channel.h"

namespace godwit::cli {

void Context::AddTo(Options& options) {
  options.String("tls-dir", &tls_dir_, "DIR", "holds tls.crt, tls.key and ca.crt");
  for (auto& [service, endpoint] : endpoints_) {
    options.String(service, &endpoint, "HOST:PORT", absl::StrCat("the ", service, " service"));
  }
  options.String("enrollment", &enrollment_, "HOST:PORT", "the registry's enrolment port");
  options.String("output", &output_, "FORMAT", "table or json");
  options.Duration("call-timeout", &call_timeout_, "longest wait for one answer");
}

absl::Status Context::Check() const {
  if (output_ != "table" && output_ != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("--output: ", output_, " is neither table nor json"));
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

absl::Status Context::Need(absl::string_view service) const {
  if (Knows(service)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("where is the ", service, " service? Give --", service,
                   " HOST:PORT, or set it in the configuration file"));
}

absl::Status Context::Unreachable(absl::string_view service, const absl::Status& status) const {
  if (!Knows(service) || !(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
                           absl::IsUnimplemented(status))) {
    return status;
  }
  return Annotate(
      status, absl::StrCat("the ", service, " service at ", endpoints_.at(std::string(service))));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Context::Channel(absl::string_view service) {
  const std::string name(service);
  if (const auto open = channels_.find(name); open != channels_.end()) return open->second;
  RETURN_IF_ERROR(Need(service));
  if (tls_dir_.empty()) {
    return absl::InvalidArgumentError(
        "no certificate: give --tls-dir DIR, or set it in the configuration file");
  }
  const absl::StatusOr<rpc::TlsMaterial> tls = rpc::LoadTls(tls_dir_);
  if (!tls.ok()) return absl::PermissionDeniedError(tls.status().message());
  const absl::Status good = rpc::CheckLife(tls->certificate_chain, tls_dir_ + "/tls.crt",
                                           rpc::IssueAnew(tls_dir_), absl::Now());
  if (!good.ok()) return absl::PermissionDeniedError(good.message());
  const rpc::Identity peer = {.kind = rpc::PeerKind::kService, .id = name};
  return channels_[name] = rpc::Dial(endpoints_[name], peer, *tls);
}

}  // namespace godwit::cli
