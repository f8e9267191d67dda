// Bounds what a worker receives in total and shares it between the servers that are sending.
//
// Start-time fair queueing: who received a frame asks before it reads the next one; of all who wait
// the one with the smallest tag goes on, and its tag grows by bytes / weight. So over time servers
// that always have something get bytes in the proportion of their weights, however large their
// frames are, and what a server does not use goes to the others at once. One that was let go on a
// moment ago and would be the next is waited for, as long as no capacity is lost by that.
//
// Over any span of time T at most rate * T + rate * kBurst + one frame goes through.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"

namespace godwit::worker {

// Thread-safe.
class FairShare {
 public:
  // What was not used of so much time may be used later.
  static constexpr absl::Duration kBurst = absl::Milliseconds(40);

  // `bytes_per_second` above 0. `clock` must outlive it.
  FairShare(std::int64_t bytes_per_second, Clock& clock)
      : rate_(static_cast<double>(bytes_per_second)), clock_(clock), checked_(clock.Monotonic()) {}

  // One stream of `server` that received `bytes` and wants to go on. Ended by Wait() that says zero
  // or by Cancel(). The latest weight of a server counts.
  using Ticket = std::uint64_t;
  Ticket Ask(const std::string& server, std::int64_t bytes, double weight = 1);
  // Zero: go on. Else: ask again after so long.
  absl::Duration Wait(Ticket ticket);
  void Cancel(Ticket ticket);
  // Nothing is remembered of the server. No ticket of it is open.
  void Forget(const std::string& server);

 private:
  struct Server {
    double finish = 0;      // the tag of its next frame, if it never pauses
    int waiting = 0;        // open tickets that were not let go on
    bool expected = false;  // was let go on and will be back soon
  };
  struct Place {  // in the queue
    double start;
    Ticket ticket;
    auto operator<=>(const Place&) const = default;
  };
  struct Asked {
    std::string server;
    double bytes;
  };

  void Dispatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Somebody who is expected back comes before the tag `start`.
  bool IsAwaited(double start) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  double burst() const { return rate_ * absl::ToDoubleSeconds(kBurst); }

  const double rate_;
  Clock& clock_;
  absl::Mutex mutex_;
  std::map<std::string, Server> servers_ ABSL_GUARDED_BY(mutex_);
  std::map<Place, Asked> queue_ ABSL_GUARDED_BY(mutex_);
  std::map<Ticket, Place> places_ ABSL_GUARDED_BY(mutex_);  // of those in the queue
  Ticket last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  double virtual_time_ ABSL_GUARDED_BY(mutex_) = 0;  // the tag that was let go on last
  double allowance_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration checked_ ABSL_GUARDED_BY(mutex_);  // when the allowance was right
};

}  // namespace godwit::worker
