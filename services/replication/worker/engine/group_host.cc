#include "services/replication/worker/engine/group_host.h"

#include "services/common/base/status_macros.h"

namespace godwit::worker {

absl::StatusOr<std::shared_ptr<HostedGroup>> GroupHost::Open(const std::string& server,
                                                             std::int64_t generation) {
  RETURN_IF_ERROR(leases_.Check(server, generation));
  const std::optional<Lease> lease = leases_.Find(server);
  if (!lease) return absl::AbortedError("the lease was lost meanwhile");
  {
    absl::MutexLock lock(&mutex_);
    const auto idle = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !opening_.contains(server);
    };
    mutex_.Await(absl::Condition(&idle));
    const auto found = groups_.find(server);
    if (found != groups_.end() && found->second->group->lease_generation() == generation &&
        found->second->group->disks() == lease->disks &&
        (found->second->encrypt || !lease->encrypt)) {
      return found->second;
    }
    groups_.erase(server);
    opening_.insert(server);
  }
  // Reading the digests of large disks takes a while: other groups go on.
  absl::StatusOr<std::shared_ptr<store::Group>> group =
      lease->encrypt ? store_.OpenEncryptedGroup(server, generation, lease->disks)
                     : store_.OpenGroup(server, generation, lease->disks);
  absl::MutexLock lock(&mutex_);
  opening_.erase(server);
  failures_.erase(server);
  // What time alone does not mend is for people to know.
  if (absl::IsFailedPrecondition(group.status()) || absl::IsDataLoss(group.status()))
    failures_.insert({server, {server, generation, group.status()}});
  RETURN_IF_ERROR(group);
  auto hosted = std::make_shared<HostedGroup>();
  hosted->server = server;
  hosted->group = *std::move(group);
  hosted->encrypt = lease->encrypt;
  groups_[server] = hosted;
  return hosted;
}

std::shared_ptr<HostedGroup> GroupHost::Find(const std::string& server) const {
  absl::MutexLock lock(&mutex_);
  const auto found = groups_.find(server);
  return found == groups_.end() ? nullptr : found->second;
}

void GroupHost::Close(const std::string& server) {
  absl::MutexLock lock(&mutex_);
  groups_.erase(server);
  for (const auto& [id, cancel] : sessions_[server].streams) cancel();
}

void GroupHost::CloseUnleased() {
  std::vector<std::string> gone;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [server, hosted] : groups_) {
      const std::optional<Lease> lease = leases_.Find(server);
      if (!lease || lease->generation != hosted->group->lease_generation() ||
          (lease->encrypt && !hosted->encrypt))
        gone.push_back(server);
    }
    for (auto it = failures_.begin(); it != failures_.end();) {
      const std::optional<Lease> lease = leases_.Find(it->first);
      it = !lease || lease->generation != it->second.generation ? failures_.erase(it) : ++it;
    }
  }
  for (const std::string& server : gone) Close(server);
}

void GroupHost::CloseAll() {
  absl::MutexLock lock(&mutex_);
  groups_.clear();
  for (const auto& [server, sessions] : sessions_) {
    for (const auto& [id, cancel] : sessions.streams) cancel();
  }
}

absl::StatusOr<std::unique_ptr<GroupHost::Lane>> GroupHost::Enter(const std::string& server,
                                                                  const std::string& session,
                                                                  int lane, int lane_count,
                                                                  std::function<void()> cancel) {
  absl::MutexLock lock(&mutex_);
  Sessions& sessions = sessions_[server];
  if (lane == 0) {
    // A lane may be waiting for another one.
    if (sessions.lanes != nullptr)
      sessions.lanes->End(absl::UnavailableError("a newer session of this server began"));
    for (const auto& [id, end] : sessions.streams) end();
    const auto left = [&]() { return sessions.streams.empty(); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&left), absl::Seconds(15))) {
      return absl::UnavailableError("an older session of this server is still ending");
    }
    sessions.session = session;
    sessions.lanes = std::make_shared<SessionLanes>(lane_count);
  } else if (sessions.session != session || sessions.lanes->count() != lane_count) {
    // One that comes late must not end the session that took its place.
    return absl::UnavailableError("open.session_id: not the session of this server");
  }
  const std::int64_t id = next_lane_++;
  sessions.streams[id] = std::move(cancel);
  return std::make_unique<Lane>(*this, server, id, sessions.lanes);
}

void GroupHost::Leave(const std::string& server, std::int64_t id) {
  absl::MutexLock lock(&mutex_);
  sessions_[server].streams.erase(id);
}

std::vector<GroupHost::Failure> GroupHost::Failures() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Failure> list;
  for (const auto& [server, failure] : failures_) list.push_back(failure);
  return list;
}

std::vector<GroupHost::Status> GroupHost::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Status> list;
  for (const auto& [server, hosted] : groups_) {
    const auto sessions = sessions_.find(server);
    list.push_back({.server = server,
                    .generation = hosted->group->lease_generation(),
                    .committed_epoch = hosted->group->committed_epoch(),
                    .received_bytes = hosted->received_bytes,
                    .connected = sessions != sessions_.end() && !sessions->second.streams.empty(),
                    .hosted = hosted});
  }
  return list;
}

}  // namespace godwit::worker
