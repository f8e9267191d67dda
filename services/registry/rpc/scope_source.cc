#include "services/registry/rpc/scope_source.h"

#include "godwit/jobs/v1/job.pb.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/scope_store.h"

namespace godwit::registry {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);

}  // namespace

absl::StatusOr<std::shared_ptr<const rpc::Scope>> ScopesOfRegistry::Find(
    const std::string& principal, const std::vector<std::string>& names) {
  const DeadlineScope deadline(kPatience);
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(const auto within, storage::NamesWithin(*connection, principal, names));
  if (!within) return nullptr;
  auto scope = std::make_shared<rpc::Scope>();
  scope->principal = principal;
  scope->names.insert(within->begin(), within->end());
  return scope;
}

absl::StatusOr<std::vector<std::string>> ScopesOfRegistry::Expand(const std::string& name) {
  RETURN_IF_ERROR(ParseName("job", "jobs", "job-", name).status());
  ASSIGN_OR_RETURN(const std::string bytes, sender_.FetchJob(name));
  godwit::jobs::v1::Job job;
  if (!job.ParseFromString(bytes)) return absl::InternalError("the job cannot be read");
  std::vector<std::string> names;
  for (const auto& server : job.servers()) names.push_back(server.source_server());
  return names;
}

std::string WhoCanBeScoped(const rpc::Identity& peer) {
  return rpc::CanBeScoped(peer) ? peer.Principal() : "";
}

}  // namespace godwit::registry
