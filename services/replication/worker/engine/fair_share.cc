#include "services/replication/worker/engine/fair_share.h"

#include <algorithm>

namespace godwit::worker {
namespace {

// Who waits looks again at least so often: others may have left or come.
constexpr absl::Duration kLongest = absl::Milliseconds(20);
constexpr absl::Duration kShortest = absl::Microseconds(50);

}  // namespace

FairShare::Ticket FairShare::Ask(const std::string& server, std::int64_t bytes, double weight) {
  absl::MutexLock lock(&mutex_);
  Server& own = servers_[server];
  // Who had nothing to send for a while has not saved anything up.
  const Place place{.start = std::max(own.finish, virtual_time_), .ticket = ++last_ticket_};
  own.finish = place.start + static_cast<double>(bytes) / weight;
  ++own.waiting;
  queue_.emplace(place, Asked{server, static_cast<double>(bytes)});
  places_.emplace(place.ticket, place);
  return place.ticket;
}

bool FairShare::IsAwaited(double start) const {
  return std::any_of(servers_.begin(), servers_.end(), [&](const auto& entry) {
    const Server& server = entry.second;
    return server.expected && server.waiting == 0 && server.finish < start;
  });
}

void FairShare::Dispatch() {
  const absl::Duration now = clock_.Monotonic();
  allowance_ = std::min(allowance_ + rate_ * absl::ToDoubleSeconds(now - checked_), burst());
  checked_ = now;
  while (allowance_ >= 0 && !queue_.empty()) {
    const auto first = queue_.begin();
    const double start = first->first.start;
    if (IsAwaited(start)) {
      if (allowance_ < burst()) return;
      // Waiting on would waste what nobody used.
      for (auto& [name, server] : servers_) {
        if (server.finish < start) server.expected = false;
      }
    }
    Server& server = servers_[first->second.server];
    --server.waiting;
    server.expected = true;
    allowance_ -= first->second.bytes;
    virtual_time_ = start;
    places_.erase(first->first.ticket);
    queue_.erase(first);
  }
}

absl::Duration FairShare::Wait(Ticket ticket) {
  absl::MutexLock lock(&mutex_);
  Dispatch();
  const auto place = places_.find(ticket);
  if (place == places_.end()) return absl::ZeroDuration();
  double ahead = -allowance_;
  for (const auto& [other, asked] : queue_) {
    if (other == place->second) break;
    ahead += asked.bytes;
  }
  return std::clamp(absl::Seconds(ahead / rate_), kShortest, kLongest);
}

void FairShare::Cancel(Ticket ticket) {
  absl::MutexLock lock(&mutex_);
  const auto place = places_.find(ticket);
  if (place == places_.end()) return;
  const auto asked = queue_.find(place->second);
  --servers_[asked->second.server].waiting;
  queue_.erase(asked);
  places_.erase(place);
}

void FairShare::Forget(const std::string& server) {
  absl::MutexLock lock(&mutex_);
  const auto found = servers_.find(server);
  if (found != servers_.end() && found->second.waiting == 0) servers_.erase(found);
}

}  // namespace godwit::worker
