// The shortest of the round trips that were measured lately.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace godwit::agent {

// Remembers half a minute to a minute; after that the last one it knew stands until there is
// another. Not thread-safe.
class RoundTrip {
 public:
  void Add(absl::Duration sample, absl::Duration now) {
    if (now - since_ > kSpan) {
      before_ = now - since_ > 2 * kSpan ? absl::InfiniteDuration() : recent_;
      recent_ = absl::InfiniteDuration();
      since_ = now;
    }
    recent_ = std::min(recent_, sample);
  }
  // 0: none was measured.
  std::int64_t Microseconds() const {
    const absl::Duration shortest = std::min(before_, recent_);
    return shortest == absl::InfiniteDuration() ? 0 : absl::ToInt64Microseconds(shortest);
  }

 private:
  static constexpr absl::Duration kSpan = absl::Seconds(30);
  absl::Duration since_ = -absl::InfiniteDuration();
  absl::Duration before_ = absl::InfiniteDuration(), recent_ = absl::InfiniteDuration();
};

}  // namespace godwit::agent
