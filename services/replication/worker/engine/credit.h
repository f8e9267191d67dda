// How much an agent may have under way (sent and not received), over all its lanes: enough that a
// long line is never empty while the agent waits for acknowledgements, and not more, for what is
// under way must arrive before a cut can be committed.
#pragma once

#include <cstdint>
#include <deque>

#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace godwit::worker {

// Twice what arrives in one round trip, within bounds. The rate is the highest of the last 10 s, so
// a pause does not cost the credit. While the credit is what limits the rate, it doubles with every
// look that finds it used up. Not thread-safe.
class Credit {
 public:
  struct Options {
    // For agents that do not tell the round trip, and until they do.
    std::int64_t initial = std::int64_t{64} << 20;
    std::int64_t least = std::int64_t{32} << 20;
    std::int64_t most = std::int64_t{256} << 20;
  };
  // `clock` must outlive it.
  Credit(Options options, Clock& clock)
      : options_(options), clock_(clock), since_(clock.Monotonic()) {}

  // `taken_bytes`: plain, since the session began. `round_trip`: as the agent says; zero: unknown.
  std::int64_t Bytes(std::int64_t taken_bytes, absl::Duration round_trip);

 private:
  struct Sample {
    absl::Duration at;
    double bytes_per_second;
  };

  const Options options_;
  Clock& clock_;
  absl::Duration since_;
  std::int64_t taken_ = 0;  // at since_
  std::deque<Sample> samples_;
};

}  // namespace godwit::worker
