#include "services/replication/coordinator/engine/forget_servers.h"

#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/forget_store.h"

namespace godwit::coordinator {
namespace {

// Of one transaction: each may take thousands of rows of history along.
constexpr int kBatch = 100;

}  // namespace

absl::Status ForgetServers(pg::Pool& pool, Registry& registry, absl::Duration age) {
  std::string after;
  while (true) {
    std::vector<std::string> spent;
    {
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool.Acquire());
      ASSIGN_OR_RETURN(spent, store::ListSpent(*connection, age, after, kBatch));
    }
    if (spent.empty()) return absl::OkStatus();
    std::vector<std::string> unknown;
    const std::vector<absl::StatusOr<ServerFacts>> facts = registry.Describe(spent);
    for (std::size_t i = 0; i < spent.size(); ++i) {
      if (absl::IsNotFound(facts[i].status())) {
        unknown.push_back(spent[i]);
      } else {
        RETURN_IF_ERROR(facts[i].status());
      }
    }
    if (!unknown.empty()) {
      std::vector<std::string> forgotten;
      RETURN_IF_ERROR(pool.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
        ASSIGN_OR_RETURN(forgotten, store::ForgetSpent(transaction.connection(), age, unknown));
        return absl::OkStatus();
      }));
      for (const std::string& id : forgotten) {
        Log(Severity::kInfo, "replication of a deleted server forgotten", {{"server", id}});
      }
    }
    after = spent.back();
  }
}

}  // namespace godwit::coordinator
