#include "services/replication/worker/engine/session_lanes.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace godwit::worker {

absl::Status SessionLanes::Join(int lane, const void* group,
                                std::function<void(const absl::Status&)> end) {
  absl::MutexLock lock(&mutex_);
  if (ended_) return absl::UnavailableError("the session has ended: begin another one");
  if (group_ != nullptr && group_ != group)
    return absl::UnavailableError("the group was opened anew: begin another session");
  group_ = group;
  if (!ends_.emplace(lane, std::move(end)).second)
    return absl::InvalidArgumentError(absl::StrCat("open.lane: lane ", lane, " is open already"));
  return absl::OkStatus();
}

void SessionLanes::Leave(int lane, const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    ends_.erase(lane);
  }
  End(status.ok() ? absl::UnavailableError(absl::StrCat("lane ", lane, " of the session ended"))
                  : status);
}

void SessionLanes::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (std::exchange(ended_, true)) return;
  status_ = status;
  for (const auto& [lane, end] : ends_) end(status_);
}

bool SessionLanes::Ended() const {
  absl::MutexLock lock(&mutex_);
  return ended_;
}

void SessionLanes::Took(int lane, std::uint64_t sequence, std::int64_t stored_bytes,
                        std::int64_t plain_bytes) {
  absl::MutexLock lock(&mutex_);
  received_[static_cast<std::size_t>(lane)] = sequence;
  unsynced_bytes_ += stored_bytes;
  plain_bytes_ += plain_bytes;
}

absl::Status SessionLanes::Await(absl::Span<const std::uint64_t> after,
                                 absl::Duration patience) const {
  absl::MutexLock lock(&mutex_);
  std::size_t missing = 0;
  const auto taken = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (missing = 1; missing < received_.size(); ++missing) {
      if (received_[missing] < after[missing - 1]) return ended_;
    }
    return true;
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&taken), patience)) {
    return absl::UnavailableError(absl::StrCat("lane ", missing, " did not deliver frame ",
                                               after[missing - 1], ", only ", received_[missing],
                                               ", within ", absl::FormatDuration(patience)));
  }
  return ended_ ? status_ : absl::OkStatus();
}

std::int64_t SessionLanes::unsynced_bytes() const {
  absl::MutexLock lock(&mutex_);
  return unsynced_bytes_;
}

std::int64_t SessionLanes::plain_bytes() const {
  absl::MutexLock lock(&mutex_);
  return plain_bytes_;
}

void SessionLanes::WantFlush() {
  absl::MutexLock lock(&mutex_);
  flush_ = true;
}

void SessionLanes::AwaitUrgent(std::int64_t bytes, absl::Duration patience) const {
  absl::MutexLock lock(&mutex_);
  const auto urgent = [&]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_ || Urgent(bytes); };
  mutex_.AwaitWithTimeout(absl::Condition(&urgent), patience);
}

bool SessionLanes::Pending(std::int64_t bytes, bool* urgent) {
  absl::MutexLock lock(&mutex_);
  *urgent = Urgent(bytes);
  if (received_ != durable_) return true;
  flush_ = false;
  return false;
}

std::vector<std::uint64_t> SessionLanes::BeginSync() {
  absl::MutexLock lock(&mutex_);
  unsynced_bytes_ = 0;
  flush_ = false;
  return received_;
}

void SessionLanes::Synced(std::vector<std::uint64_t> upto) {
  absl::MutexLock lock(&mutex_);
  durable_ = std::move(upto);
}

std::vector<SessionLanes::Position> SessionLanes::Positions() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Position> positions;
  for (std::size_t i = 0; i < received_.size(); ++i)
    positions.push_back({received_[i], durable_[i]});
  return positions;
}

}  // namespace godwit::worker
