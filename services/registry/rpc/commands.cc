#include "services/registry/rpc/commands.h"

#include "absl/strings/str_cat.h"
#include "godwit/replication/v1/replication_service.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/storage/outbox.h"

namespace godwit::registry {
namespace {

namespace replication_pb = ::godwit::replication::v1;

template <typename Request>
absl::StatusOr<std::string> Enqueue(pg::Connection& connection, storage::CommandKind kind,
                                    const std::string& server_id, Request request) {
  const std::string id = NewUuid();
  request.set_source_server(absl::StrCat("sourceServers/", server_id));
  request.set_request_id(id);
  ASSIGN_OR_RETURN(const std::string body, ToJson(request));
  RETURN_IF_ERROR(
      storage::Enqueue(connection, {.id = id, .kind = kind, .servers = {server_id}, .body = body}));
  return id;
}

}  // namespace

absl::StatusOr<std::string> EnqueueStartServer(pg::Connection& connection,
                                               const std::string& server_id) {
  return Enqueue(connection, storage::CommandKind::kStartServer, server_id,
                 replication_pb::StartServerRequest());
}

absl::StatusOr<std::string> EnqueueEndServer(pg::Connection& connection,
                                             const std::string& server_id,
                                             const EndOptions& options) {
  replication_pb::EndServerRequest request;
  request.set_stop_only(options.stop_only);
  request.set_keep_agent(options.keep_agent);
  SetDuration(options.undo_window, request.mutable_undo_window());
  return Enqueue(connection, storage::CommandKind::kEndServer, server_id, std::move(request));
}

}  // namespace godwit::registry
