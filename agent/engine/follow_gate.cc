#include "agent/engine/follow_gate.h"

#include <algorithm>

namespace godwit::agent {
namespace {

double Rate(std::int64_t bytes, absl::Duration time) {
  // A cut may be shorter than two looks at the ring.
  return static_cast<double>(bytes) / absl::ToDoubleSeconds(std::max(time, absl::Milliseconds(50)));
}

}  // namespace

void FollowGate::Began(absl::Duration now, std::int64_t captured_bytes) {
  began_ = now;
  captured_ = captured_bytes;
}

void FollowGate::Overflowed(absl::Duration now, std::int64_t captured_bytes) {
  overflowed_at_rate_ = Rate(captured_bytes - captured_, now - began_);
  pause_ = now - began_ >= kProven ? kShortest : std::clamp(2 * pause_, kShortest, kLongest);
  again_ = now + pause_;
}

bool FollowGate::MayFollow(absl::Duration now, std::int64_t captured_bytes,
                           absl::Duration took) const {
  return now >= again_ || Rate(captured_bytes, took) < overflowed_at_rate_ / 2;
}

}  // namespace godwit::agent
