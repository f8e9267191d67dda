#include "services/replication/worker/engine/lease_table.h"

#include "absl/strings/str_cat.h"

namespace godwit::worker {

void LeaseTable::Renew(absl::Duration asked, absl::Duration duration,
                       std::map<std::string, Lease> leases) {
  absl::MutexLock lock(&mutex_);
  leases_ = std::move(leases);
  stop_at_ = asked + duration * 2 / 3;
}

void LeaseTable::DropAll() {
  absl::MutexLock lock(&mutex_);
  leases_.clear();
}

std::optional<Lease> LeaseTable::Find(const std::string& server) const {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(server);
  return found == leases_.end() ? std::nullopt : std::optional<Lease>(found->second);
}

double LeaseTable::Weight(const std::string& server) const {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(server);
  return found == leases_.end() ? 1 : found->second.weight;
}

absl::Status LeaseTable::Check(const std::string& server, std::int64_t generation) const {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(server);
  if (found == leases_.end() || found->second.generation != generation) {
    return absl::AbortedError(absl::StrCat(
        "lease_generation: this worker does not hold generation ", generation, " of sourceServers/",
        server,
        found == leases_.end() ? "" : absl::StrCat(" (it holds ", found->second.generation, ")"),
        ": ask the coordinator"));
  }
  if (clock_.Monotonic() >= stop_at_) {
    return absl::UnavailableError("the coordinator did not renew this worker's leases in time");
  }
  return absl::OkStatus();
}

}  // namespace godwit::worker
