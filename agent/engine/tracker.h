// Knows which blocks of a disk changed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "agent/tracker/losses.h"

namespace godwit::agent {

// The value of every byte of States() when they are new: nothing is known of the block, so it must
// be compared or sent.
inline constexpr std::uint8_t kStateUnknown = 8;

// Not thread-safe. Tracking begins with the making of the object, before anybody reads the disk.
class ChangeTracker {
 public:
  virtual ~ChangeTracker() = default;
  // Kind and reason, for people: "ebpf: tp_btf/block_rq_complete".
  virtual std::string Describe() const = 0;
  // One byte for each 64 KiB block, for the owner's use; kStateUnknown at first. Where the tracker
  // outlives the agent this does too.
  virtual std::span<std::uint8_t> States() = 0;
  // States() and all marks since are those of an earlier agent process: nothing was missed in
  // between.
  virtual bool Resumed() const = 0;
  // Calls `mark` for every block that was written or discarded since the last Take. A mark is taken
  // away only after `mark` returned, so that a crash in between leaves it in both places, never in
  // none. `exact` false: a tracker for which looking is expensive may put it off to a later call.
  virtual absl::Status Take(bool exact, const std::function<void(std::uint64_t block)>& mark) = 0;
  // True when marks may have been lost since the last call: the whole disk must be compared.
  virtual bool TakeLost() = 0;
  virtual TrackerLosses Losses() const { return {}; }
  // Takes everything out of the kernel; the object is of no use afterwards. Destruction without it
  // leaves the tracking on where that is possible.
  virtual absl::Status Detach() = 0;
};

}  // namespace godwit::agent
