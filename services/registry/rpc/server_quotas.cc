#include "services/registry/rpc/server_quotas.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/quotas.h"
#include "services/registry/rpc/fleet.h"
#include "services/registry/storage/quota_store.h"

namespace godwit::registry {

absl::Status CheckQuotas(const Backend& backend, pg::Connection& connection,
                         const SourceServer* before, const SourceServer& after) {
  const ServerUse added = Added(before == nullptr ? ServerUse() : UseOf(*before), UseOf(after));
  if (!Grows(added)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ServerUse used, storage::LockUse(connection));
  return rpc::ExplainQuota(CheckServerQuotas(backend.quotas, used, added), "registry",
                           before == nullptr ? "" : absl::StrCat("sourceServers/", after.id));
}

absl::StatusOr<std::vector<Quota>> ListQuotas(const Backend& backend) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend.mutator.pool().Acquire());
  ASSIGN_OR_RETURN(const ServerUse used, storage::CountUse(*connection));
  std::vector<Quota> quotas = ServerQuotas(backend.quotas, used);
  ASSIGN_OR_RETURN(const std::vector<Quota> groups, GroupQuotas(backend, *connection));
  quotas.insert(quotas.end(), groups.begin(), groups.end());
  return quotas;
}

}  // namespace godwit::registry
