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
#include "services/common/base/clock.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/request_scope.h"
#include "services/common/base/standstill.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/caller.h"
#include "services/common/rpc/deny_list.h"
#include "services/common/rpc/method.h"

namespace godwit::rpc {
namespace {

namespace pb = ::godwit::common::v1;

constexpr absl::Duration kMaxUnaryTime = absl::Minutes(5);
constexpr std::uint32_t kEverybody = ~std::uint32_t{0};
constexpr absl::Duration kSlowCall = absl::Seconds(2);
constexpr char kInfoUrl[] = "type.googleapis.com/godwit.common.v1.ErrorDetail";

ABSL_CONST_INIT absl::Mutex observer_mutex(absl::kConstInit);

std::function<void(absl::string_view, int, absl::Duration)>& Observer()
    ABSL_SHARED_LOCKS_REQUIRED(observer_mutex) {
  static auto* const observer = new std::function<void(absl::string_view, int, absl::Duration)>();
  return *observer;
}

void Observe(absl::string_view method, const absl::Status& status, absl::Duration took) {
  absl::ReaderMutexLock lock(&observer_mutex);
  if (Observer()) Observer()(method, static_cast<int>(status.code()), took);
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

// Failures, slow calls, and all of those that change something.
void LogCall(const grpc::ServerContextBase& context, absl::string_view method, const Call& call,
             const absl::Status& status, absl::Duration took) {
  const bool ours = status.code() == absl::StatusCode::kInternal ||
                    status.code() == absl::StatusCode::kDataLoss ||
                    status.code() == absl::StatusCode::kUnknown;
  const MethodRule* const rule = FindRule(MethodOf(context));
  const bool audited = rule != nullptr && rule->audit == Audit::kChanges;
  if (status.ok() && took <= kSlowCall && !audited) return;
  Log(ours ? Severity::kError : Severity::kInfo,
      !status.ok()        ? "call failed"
      : took <= kSlowCall ? "call"
                          : "slow call",
      {{"method", std::string(method)},
       {"peer", call.peer.id.empty() ? call.address : call.peer.Principal()},
       {"address", call.address},
       {"status", status.ToString()},
       {"took", absl::FormatDuration(took)}});
}

}  // namespace

absl::StatusOr<Call> Admit(grpc::ServerContextBase& context, absl::string_view method,
                           std::uint32_t access) {
  // It may have been sent long ago, and sent again to another copy since.
  if (StoodStill()) {
    Log(Severity::kWarning, "call refused after a standstill",
        {{"method", std::string(method)}, {"peer", context.peer()}});
    return absl::UnavailableError("this copy of the service stood still; try again");
  }
  const MethodRule* const rule = FindRule(MethodOf(context));
  const bool anybody = rule != nullptr && (rule->access & access & kAnybody) != 0;
  absl::StatusOr<Caller> caller = CallerOf(context, anybody);
  absl::Status allowed = caller.status();
  if (allowed.ok() && !anybody) {
    allowed = CheckAccess(caller->peer, rule == nullptr ? 0 : rule->access & access);
  }
  if (allowed.ok()) allowed = CheckDenied(context, caller->peer);
  std::shared_ptr<const Scope> scope;
  if (allowed.ok() && !anybody) {
    const CallFacts facts = FactsOf(context);
    absl::StatusOr<std::shared_ptr<const Scope>> found =
        CheckScope(*rule, facts.request, facts.scopes, caller->peer);
    allowed = found.status();
    if (found.ok()) scope = *std::move(found);
  }
  if (!allowed.ok()) {
    Log(Severity::kWarning, "call refused",
        {{"method", std::string(method)}, {"peer", context.peer()}, {"error", allowed.ToString()}});
    return allowed;
  }
  return Call{.peer = std::move(caller->peer),
              .address = std::move(caller->address),
              .deadline = SteadyNow() + std::min(absl::FromChrono(context.deadline()) - absl::Now(),
                                                 kMaxUnaryTime),
              .request_id = std::move(caller->request_id),
              .gateway = std::move(caller->gateway),
              .lifecycle_profile = std::move(caller->lifecycle_profile),
              .scope = std::move(scope)};
}

absl::StatusOr<Call> Admit(grpc::ServerContextBase& context, absl::string_view method) {
  return Admit(context, method, kEverybody);
}

void ObserveCalls(std::function<void(absl::string_view, int, absl::Duration)> observe) {
  absl::MutexLock lock(&observer_mutex);
  Observer() = std::move(observe);
}

grpc::Status Serve(grpc::ServerContext* context, absl::string_view method,
                   const std::function<absl::Status(const Call&)>& body) {
  return Serve(context, method, kEverybody, body);
}

grpc::Status Serve(grpc::ServerContext* context, absl::string_view method, std::uint32_t access,
                   const std::function<absl::Status(const Call&)>& body) {
  const absl::Time start = SteadyNow();
  const absl::StatusOr<Call> call = Admit(*context, method, access);
  const RequestScope scope(call.ok() ? call->request_id : "");
  // Whoever asked has gone by then: nothing is waited for any more.
  const DeadlineScope deadline(call.ok() ? call->deadline - SteadyNow() : absl::InfiniteDuration());
  const absl::Status status = call.ok() ? body(*call) : call.status();
  const absl::Duration took = SteadyNow() - start;
  Observe(method, status, took);
  if (call.ok()) LogCall(*context, method, *call, status, took);
  return ToGrpc(status);
}

grpc::ServerUnaryReactor* ServeLater(grpc::CallbackServerContext* context, absl::string_view method,
                                     std::uint32_t access,
                                     const std::function<void(const Call&, Done done)>& body) {
  const absl::Time start = SteadyNow();
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<Call> call = Admit(*context, method, access);
  const RequestScope scope(call.ok() ? call->request_id : "");
  if (!call.ok()) {
    Observe(method, call.status(), SteadyNow() - start);
    reactor->Finish(ToGrpc(call.status()));
    return reactor;
  }
  const auto shared = std::make_shared<const Call>(*std::move(call));
  body(*shared,
       [context, reactor, start, shared, method = std::string(method)](const absl::Status& status) {
         const absl::Duration took = SteadyNow() - start;
         Observe(method, status, took);
         const RequestScope of_call(shared->request_id);
         LogCall(*context, method, *shared, status, took);
         reactor->Finish(ToGrpc(status));
       });
  return reactor;
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
