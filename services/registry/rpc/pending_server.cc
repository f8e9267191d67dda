#include "services/registry/rpc/pending_server.h"

#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/template_store.h"

namespace godwit::registry {

absl::StatusOr<SourceServer> NewPendingServer(pg::Connection& connection, absl::Time now,
                                              const std::string& user_provided_id) {
  ASSIGN_OR_RETURN(const storage::Template defaults,
                   storage::GetTemplate(connection, storage::kDefaultTemplate));
  return SourceServer{.id = NewId("s-"),
                      .lifecycle = Lifecycle::kPendingInstallation,
                      .state_time = now,
                      .user_provided_id = user_provided_id,
                      .tags = defaults.tags,
                      .replication_settings = defaults.replication,
                      .launch_settings = defaults.launch};
}

}  // namespace godwit::registry
