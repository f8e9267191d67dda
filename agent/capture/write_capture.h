// Captures the content of all writes to the disks of a server, in one order over all disks: what
// makes a point crash-consistent without a freeze.
//
// A record is made when a write is submitted, before it can have an effect. If a write was
// submitted after another one had ended, its record comes later; so what is captured between two
// moments, applied up to any record, is a state that a crash could have left.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/tracker/ebpf_tracker.h"

namespace godwit::agent {

struct CapturedWrite {
  std::uint32_t disk = 0;    // index into the devices of Start
  std::uint64_t sector = 0;  // of 512 bytes
  std::uint32_t bytes = 0;
  // Empty for a discard or a write of zeros: what the range then reads as is asked of the disk.
  std::span<const std::uint8_t> content;
};

// What is missing of captured writes since the program began.
struct CaptureLosses {
  std::uint64_t dropped = 0, too_large = 0, unreadable = 0, late = 0, misses = 0;
};

// Drain, Complete and Losses may be called beside Settle and Upkeep; otherwise not thread-safe.
class WriteCapture {
 public:
  struct Device {
    TrackedDevice tracked;
    std::string path;
  };
  // How writes lie in the ring.
  enum class Records {
    kDynamic,  // one record each, of its size (Linux 5.19 and later)
    kFixed     // several records of a few sizes, up to twice the room (5.10 and later)
  };
  // `ring_bytes`: a power of two; content that waits to be drained. `records`: that variant alone
  // is tried (for tests); otherwise the first one that the kernel takes. UNIMPLEMENTED: the kernel
  // cannot do it, and why.
  static absl::StatusOr<std::unique_ptr<WriteCapture>> Start(
      const std::vector<Device>& devices, std::size_t ring_bytes,
      std::optional<Records> records = std::nullopt);
  virtual ~WriteCapture() = default;
  // The variant and its reason, for people.
  virtual std::string Describe() const = 0;

  // To be called at least every few 100 ms: a write whose end was not seen would keep Settle
  // waiting for ever.
  virtual void Upkeep() = 0;
  // Forgets what is in the ring and captures from now on.
  virtual void Begin() = 0;
  // Waits until every write that was submitted before the call has ended. DEADLINE_EXCEEDED when
  // that is not certain after `patience`. While capturing.
  virtual absl::Status Settle(absl::Duration patience) = 0;
  // Hands over all that was submitted before the call and takes it out of the ring. UNAVAILABLE: a
  // program takes long to copy a write, try again.
  virtual absl::Status Drain(const std::function<void(const CapturedWrite&)>& take) = 0;
  // No more is captured. The rest is drained afterwards.
  virtual void End() = 0;
  // Writes are missing since Begin: DATA_LOSS says why.
  virtual absl::Status Complete() = 0;
  virtual CaptureLosses Losses() { return {}; }
};

}  // namespace godwit::agent
