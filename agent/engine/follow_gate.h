// Whether to go on capturing after a cut. A source that writes faster than is sent ends every
// following by overflow, and each attempt costs it a copy of all its writes: then only the cuts
// capture, and the time between is copied by marks.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace godwit::agent {

// Times are monotonic, bytes those captured since whenever. Not thread-safe.
class FollowGate {
 public:
  // Following that lasts so long has proved itself: its end begins anew.
  static constexpr absl::Duration kProven = absl::Seconds(60);
  static constexpr absl::Duration kShortest = absl::Seconds(2), kLongest = absl::Seconds(60);

  void Began(absl::Duration now, std::int64_t captured_bytes);
  // Following ended because more was captured than was sent.
  void Overflowed(absl::Duration now, std::int64_t captured_bytes);
  // After a cut that captured so much within `took`. No for a while after an overflow (twice as
  // long each time), unless the source writes less than half of what it wrote then.
  bool MayFollow(absl::Duration now, std::int64_t captured_bytes, absl::Duration took) const;

 private:
  absl::Duration began_, again_ = -absl::InfiniteDuration(), pause_;
  std::int64_t captured_ = 0;      // at began_
  double overflowed_at_rate_ = 0;  // bytes a second
};

}  // namespace godwit::agent
