#include "services/common/rpc/serve.h"

#include <grpcpp/impl/codegen/server_context.h>
#include <grpcpp/support/error_details.h>

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "godwit/common/v1/error.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::rpc {
namespace {

namespace pb = ::godwit::common::v1;

constexpr absl::Duration kMaxUnaryTime = absl::Minutes(5);
constexpr absl::Duration kSlowCall = absl::Seconds(2);
constexpr char kInfoUrl[] = "type.googleapis.com/godwit.common.v1.ErrorDetail";

ABSL_CONST_INIT absl::Mutex observer_mutex(absl::kConstInit);

std::function<void(absl::string_view, int, absl::Duration)>& Observer()
    ABSL_SHARED_LOCKS_REQUIRED(observer_mutex) {
  static auto* const observer = new std::function<void(absl::string_view, int, absl::Duration)>();
  return *observer;
}

std::uint32_t AccessBit(const Identity& peer) {
  switch (peer.kind) {
    case PeerKind::kAgent:
      return kAgents;
    case PeerKind::kWorker:
      return kWorkers;
    case PeerKind::kConversionWorker:
      return kConversionWorkers;
    case PeerKind::kService:
      return kServices;
    case PeerKind::kUser:
      return peer.role == UserRole::kAdmin      ? kAdmins
             : peer.role == UserRole::kOperator ? kOperators
             : peer.role == UserRole::kViewer   ? kViewers
                                                : 0u;
  }
  return 0;
}

std::string NamesOf(std::uint32_t access) {
  constexpr std::pair<std::uint32_t, const char*> kNames[] = {
      {kAgents, "agent"},     {kWorkers, "worker"}, {kConversionWorkers, "conversion-worker"},
      {kServices, "service"}, {kViewers, "viewer"}, {kOperators, "operator"},
      {kAdmins, "admin"}};
  std::vector<std::string> out;
  for (const auto& [bit, name] : kNames) {
    if ((access & bit) != 0) out.emplace_back(name);
  }
  return absl::StrJoin(out, ", ");
}

pb::ErrorDetail ToDetail(const ErrorInfo& info) {
  pb::ErrorDetail detail;
  detail.set_reason(info.reason);
  detail.set_domain(info.domain);
  for (const auto& [key, value] : info.metadata) (*detail.mutable_metadata())[key] = value;
  for (const auto& [field, description] : info.field_violations) {
    pb::FieldViolation* violation = detail.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
  }
  if (info.retry_after > absl::ZeroDuration()) {
    detail.mutable_retry_after()->set_seconds(absl::ToInt64Seconds(info.retry_after));
  }
  return detail;
}

}  // namespace

absl::Status CheckAccess(const Identity& peer, std::uint32_t access) {
  if ((AccessBit(peer) & access) != 0) return absl::OkStatus();
  return WithInfo(absl::PermissionDeniedError(absl::StrCat(
                      peer.Principal(), " may not call this; it is for: ", NamesOf(access))),
                  {.reason = "ROLE_NOT_ALLOWED", .metadata = {{"allowed", NamesOf(access)}}});
}

absl::StatusOr<Call> Admit(grpc::ServerContextBase& context, absl::string_view method,
                           std::uint32_t access) {
  Call call;
  call.address = context.peer();
  const absl::Time asked = absl::FromChrono(context.deadline());
  call.deadline = std::min(asked, absl::Now() + kMaxUnaryTime);
  const absl::StatusOr<Identity> peer = PeerIdentity(context);
  if (peer.ok()) call.peer = *peer;
  if ((access & kAnybody) != 0) return call;
  absl::Status allowed = peer.ok() ? CheckAccess(*peer, access) : peer.status();
  if (!allowed.ok()) {
    Log(Severity::kWarning, "call refused",
        {{"method", std::string(method)}, {"peer", call.address}, {"error", allowed.ToString()}});
    return allowed;
  }
  return call;
}

void ObserveCalls(std::function<void(absl::string_view, int, absl::Duration)> observe) {
  absl::MutexLock lock(&observer_mutex);
  Observer() = std::move(observe);
}

grpc::Status Serve(grpc::ServerContext* context, absl::string_view method, std::uint32_t access,
                   const std::function<absl::Status(const Call&)>& body) {
  const absl::Time start = absl::Now();
  const absl::StatusOr<Call> call = Admit(*context, method, access);
  const absl::Status status = call.ok() ? body(*call) : call.status();
  const absl::Duration took = absl::Now() - start;
  {
    absl::ReaderMutexLock lock(&observer_mutex);
    if (Observer()) Observer()(method, static_cast<int>(status.code()), took);
  }
  if (!call.ok()) return ToGrpc(status);
  if (!status.ok() || took > kSlowCall) {
    const bool ours = status.code() == absl::StatusCode::kInternal ||
                      status.code() == absl::StatusCode::kDataLoss ||
                      status.code() == absl::StatusCode::kUnknown;
    Log(ours ? Severity::kError : Severity::kInfo, status.ok() ? "slow call" : "call failed",
        {{"method", std::string(method)},
         {"peer", call->peer.id.empty() ? call->address : call->peer.Principal()},
         {"status", status.ToString()},
         {"took", absl::FormatDuration(took)}});
  }
  return ToGrpc(status);
}

absl::Status WithInfo(absl::Status status, const ErrorInfo& info) {
  status.SetPayload(kInfoUrl, absl::Cord(ToDetail(info).SerializeAsString()));
  return status;
}

ErrorInfo GetInfo(const absl::Status& status) {
  ErrorInfo info;
  const auto payload = status.GetPayload(kInfoUrl);
  pb::ErrorDetail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return info;
  info.reason = detail.reason();
  info.domain = detail.domain();
  info.metadata.assign(detail.metadata().begin(), detail.metadata().end());
  std::sort(info.metadata.begin(), info.metadata.end());
  for (const pb::FieldViolation& violation : detail.field_violations()) {
    info.field_violations.emplace_back(violation.field(), violation.description());
  }
  info.retry_after = absl::Seconds(detail.retry_after().seconds());
  return info;
}

absl::Status FieldError(absl::string_view field, absl::string_view description) {
  return WithInfo(absl::InvalidArgumentError(absl::StrCat(field, ": ", description)),
                  {.reason = "BAD_FIELD",
                   .field_violations = {{std::string(field), std::string(description)}}});
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message());
  const auto payload = status.GetPayload(kInfoUrl);
  pb::ErrorDetail detail;
  if (!payload || !detail.ParseFromString(std::string(*payload))) return {code, message};
  pb::RpcStatus rich;
  rich.set_code(static_cast<int>(code));
  rich.set_message(message);
  rich.add_details()->PackFrom(detail);
  return {code, message, rich.SerializeAsString()};
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status out(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  pb::RpcStatus rich;
  pb::ErrorDetail detail;
  if (!status.error_details().empty() && rich.ParseFromString(status.error_details()) &&
      rich.details_size() > 0 && rich.details(0).UnpackTo(&detail)) {
    out.SetPayload(kInfoUrl, absl::Cord(detail.SerializeAsString()));
  }
  return out;
}

}  // namespace godwit::rpc
