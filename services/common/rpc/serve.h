// The frame around every handler: authorisation, deadline, error mapping, log line.
//
//   grpc::Status Handler::GetJob(grpc::ServerContext* context, const pb::GetJobRequest* request,
//   pb::Job* response) {
//     return rpc::Serve(context, "jobs.GetJob", [&](const rpc::Call& call) ->
//     absl::Status { ... });
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/impl/codegen/status.h"
#include "grpcpp/support/server_callback.h"
#include "services/common/rpc/access.h"
#include "services/common/rpc/identity.h"
#include "services/common/rpc/scope.h"

namespace godwit::rpc {

// What a handler knows of its call.
struct Call {
  Identity peer;           // whom the call counts for; empty id for kAnybody without a certificate
  std::string address;     // of the client, for the audit log
  absl::Time deadline;     // of SteadyNow(); never later than 5 minutes from now for unary calls
  std::string request_id;  // of this request in all services; see caller.h
  std::string gateway;     // "service/gateway" when it speaks for `peer`
  std::string lifecycle_profile;  // that the gateway asks for: "", "strict", "lenient"
  // What the caller is limited to (scope.h); null: nothing. Names of the request were checked.
  std::shared_ptr<const Scope> scope;
  // For statements that take whose scope counts: empty for nobody's.
  std::string scoped_principal() const { return scope == nullptr ? "" : scope->principal; }
};

// Runs `body` when the access table lets the caller call this method, turns its status into a gRPC
// one (with ErrorDetail in the trailer), logs failures, slow calls and, as the table says, every
// call. `method` is a short stable name for logs and metrics. The request id is that of the thread
// meanwhile. Never throws.
grpc::Status Serve(grpc::ServerContext* context, absl::string_view method,
                   const std::function<absl::Status(const Call&)>& body);
// The same, but only those of `access` may call, too.
grpc::Status Serve(grpc::ServerContext* context, absl::string_view method, std::uint32_t access,
                   const std::function<absl::Status(const Call&)>& body);

// The same for a unary method that answers later and holds no thread until then. `body` must not
// block; it, or whoever it gives `done` to, calls `done` exactly once, from any thread, before the
// server's Stop() ends. `call.deadline` is theirs to keep.
using Done = std::function<void(const absl::Status&)>;
grpc::ServerUnaryReactor* ServeLater(grpc::CallbackServerContext* context, absl::string_view method,
                                     std::uint32_t access,
                                     const std::function<void(const Call&, Done done)>& body);

// `observe` is told how every call of Serve() ended (gRPC status code) and how long it took; null:
// nobody. It must not block.
void ObserveCalls(
    std::function<void(absl::string_view method, int code, absl::Duration took)> observe);

// For streams: the access check and identity alone.
absl::StatusOr<Call> Admit(grpc::ServerContextBase& context, absl::string_view method);
absl::StatusOr<Call> Admit(grpc::ServerContextBase& context, absl::string_view method,
                           std::uint32_t access);

// Extra facts for ErrorDetail, kept as a payload of absl::Status until ToGrpc.
struct ErrorInfo {
  std::string reason;  // UPPER_SNAKE_CASE
  std::string domain;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::pair<std::string, std::string>> field_violations;  // field, description
  absl::Duration retry_after = absl::ZeroDuration();
};
absl::Status WithInfo(absl::Status status, const ErrorInfo& info);
ErrorInfo GetInfo(const absl::Status& status);  // empty when there is none

// INVALID_ARGUMENT for one request field: message "field: description" and a field violation.
absl::Status FieldError(absl::string_view field, absl::string_view description);

// Both ways, details included. UNKNOWN codes stay what they are.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace godwit::rpc
