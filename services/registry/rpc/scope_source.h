// Scopes as the registry itself asks for them: from its database, at every call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/common/pg/pool.h"
#include "services/common/rpc/scope.h"
#include "services/registry/clients/outbox_sender.h"

namespace godwit::registry {

class ScopesOfRegistry final : public rpc::ScopeSource {
 public:
  // Both must outlive it.
  ScopesOfRegistry(pg::Pool& pool, OutboxSender& sender) : pool_(pool), sender_(sender) {}

  // The scope has those of `names` that are within.
  absl::StatusOr<std::shared_ptr<const rpc::Scope>> Find(
      const std::string& principal, const std::vector<std::string>& names) override;
  // "jobs/job-..." stands for its servers.
  absl::StatusOr<std::vector<std::string>> Expand(const std::string& name) override;

 private:
  pg::Pool& pool_;
  OutboxSender& sender_;
};

// Whose scope limits what a stream of this caller shows: empty for those who have none ever.
std::string WhoCanBeScoped(const rpc::Identity& peer);

}  // namespace godwit::registry
