#include "services/registry/domain/quotas.h"

#include "services/common/base/status_macros.h"

namespace godwit::registry {

ServerUse UseOf(const SourceServer& server) {
  const bool active =
      server.lifecycle >= Lifecycle::kNotReady && server.lifecycle <= Lifecycle::kCuttingOver;
  return {.active = active ? 1 : 0, .unarchived = server.archived ? 0 : 1, .all = 1};
}

ServerUse Added(const ServerUse& before, const ServerUse& after) {
  return {.active = after.active - before.active,
          .unarchived = after.unarchived - before.unarchived,
          .all = after.all - before.all};
}

bool Grows(const ServerUse& added) {
  return added.active > 0 || added.unarchived > 0 || added.all > 0;
}

std::vector<Quota> ServerQuotas(const Quotas& quotas, const ServerUse& used) {
  return {{.code = "ACTIVE_SOURCE_SERVERS",
           .title = "source servers that replicate",
           .limit = quotas.active_source_servers,
           .used = used.active,
           .option = "quota-active-source-servers",
           .advice = "finalise, disconnect or stop the replication of some"},
          {.code = "UNARCHIVED_SOURCE_SERVERS",
           .title = "source servers that are not archived",
           .limit = quotas.unarchived_source_servers,
           .used = used.unarchived,
           .option = "quota-unarchived-source-servers",
           .advice = "archive those that are done"},
          {.code = "SOURCE_SERVERS",
           .title = "source servers, archived ones included",
           .limit = quotas.source_servers,
           .used = used.all,
           .option = "quota-source-servers",
           .advice = "delete some that are done"}};
}

absl::Status CheckServerQuotas(const Quotas& quotas, const ServerUse& used,
                               const ServerUse& added) {
  const std::int64_t more[] = {added.active, added.unarchived, added.all};
  const std::vector<Quota> all = ServerQuotas(quotas, used);
  for (std::size_t i = 0; i < all.size(); ++i) RETURN_IF_ERROR(CheckQuota(all[i], more[i]));
  return absl::OkStatus();
}

}  // namespace godwit::registry
