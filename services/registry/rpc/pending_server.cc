#include "services/registry/rpc/pending_server.h"

#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/starting_settings.h"

namespace godwit::registry {

absl::StatusOr<SourceServer> NewPendingServer(pg::Connection& connection, absl::Time now,
                                              const std::string& user_provided_id) {
  SourceServer server{.id = NewId("s-"),
                      .lifecycle = Lifecycle::kPendingInstallation,
                      .state_time = now,
                      .user_provided_id = user_provided_id};
  RETURN_IF_ERROR(Furnish(connection, InstallationToken(), &server));
  return server;
}

}  // namespace godwit::registry
