// The frame of calls that change something: authorisation, field checks, one transaction with the
// answer kept under the request id, an audit row in any case.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/codegen/status.h"
#include "services/common/pg/connection.h"
#include "services/common/rpc/serve.h"
#include "services/registry/storage/mutation.h"

namespace godwit::registry {

struct ChangeCall {
  const char* method;                        // "SourceServerService.StartTest"
  std::uint32_t access = ~std::uint32_t{0};  // narrows what the access table says
  std::string resource;                      // as the caller named it
  std::string request_id;                    // empty: the call has none
  const google::protobuf::Message* request;
  bool audit_refusals = true;  // false for calls of strangers
  // Set by `apply` when the call makes the resource; then audited instead of `resource`.
  const std::string* made_resource = nullptr;
};

// What a handler does. All are called in this order; `check` and `after` may be empty.
struct ChangeSteps {
  // Looks at the request alone.
  std::function<absl::Status()> check;
  // Decides and writes; fills `response`. May run twice.
  std::function<absl::Status(pg::Connection&, const rpc::Call&)> apply;
  // After the commit; with `replayed` the response is the one kept under the request id.
  std::function<absl::Status(const rpc::Call&, bool replayed)> after;
};

grpc::Status ServeChange(grpc::ServerContext* context, storage::Mutator& mutator,
                         const ChangeCall& change, google::protobuf::Message* response,
                         const ChangeSteps& steps);

}  // namespace godwit::registry
