// The verbs of one server: refusal by the life cycle, state, history and outbox row in one
// transaction, delivery of the command, the server as answer.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/codegen/status.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/source_server.h"
#include "services/registry/rpc/backend.h"

namespace godwit::registry {

struct Verb {
  Event event;
  std::string name, etag, request_id;
  const google::protobuf::Message* request;
  // Asks what the registry alone does not know, before the transaction; may be empty.
  std::function<absl::Status(const SourceServer&)> precheck;
  // Puts a command into the outbox when the verb needs one and gives its id; may be empty. Sees the
  // server as it was and as it is.
  std::function<absl::StatusOr<std::string>(pg::Connection&, const SourceServer& before,
                                            const SourceServer& after)>
      command;
};
grpc::Status ServeVerb(grpc::ServerContext* context, Backend& backend, const Verb& verb,
                       godwit::registry::v1::SourceServer* response);

// FAILED_PRECONDITION with reason, state, call and helpful_call when the event may not happen.
absl::Status CheckEvent(Profile profile, const SourceServer& server, Event event);

}  // namespace godwit::registry
