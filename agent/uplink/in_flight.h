// What a session sent and the worker has not acknowledged yet, over all its lanes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "agent/engine/source_disk.h"

namespace godwit::agent {

struct InFlight {
  std::uint32_t disk = 0;
  BlockGroup blocks;                             // of a Data frame
  std::uint64_t zero_first = 0, zero_count = 0;  // of a Zero frame
  std::int64_t bytes = 0;                        // plain
};

// Not thread-safe.
class InFlightList {
 public:
  explicit InFlightList(int lanes)
      : sequences_(static_cast<std::size_t>(lanes)), bytes_(sequences_.size()) {}
  int lanes() const { return static_cast<int>(sequences_.size()); }

  // The lane for a frame with blocks: the one that has a frame with one of them on its way, so that
  // the worker takes them in the order in which they were sent; else the one with the least under
  // way. nullopt: several have one, and the frame must wait.
  std::optional<int> LaneFor(const InFlight& frame) const;
  // The next frame of the lane; its sequence. Remembered when it carries something.
  std::uint64_t Add(int lane, const InFlight& frame, absl::Duration now);
  // The worker has taken what was sent on the lane up to `sequence`. The time since the newest of
  // them that was sent when nothing was under way; nullopt: none was.
  std::optional<absl::Duration> Received(int lane, std::uint64_t sequence, absl::Duration now);
  // What was sent on each lane up to that sequence is durable: forgotten, and returned in the order
  // of sending.
  std::vector<InFlight> Durable(absl::Span<const std::uint64_t> sequences);

  // The last of the lane.
  std::uint64_t sequence(int lane) const { return sequences_[static_cast<std::size_t>(lane)]; }
  // Not received.
  std::int64_t window_bytes() const { return window_bytes_; }
  // Nothing waits to become durable.
  bool empty() const { return sent_.empty(); }

 private:
  struct Sent {
    InFlight frame;
    int lane;
    std::uint64_t sequence;
    absl::Duration at;
    bool alone, received = false;
  };

  std::vector<std::uint64_t> sequences_;
  std::vector<std::int64_t> bytes_;  // of each lane, not received
  std::int64_t window_bytes_ = 0;
  std::deque<Sent> sent_;
};

}  // namespace godwit::agent
