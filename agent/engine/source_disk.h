// One disk of the source: what must be sent, what is on its way, what is durable at the worker. See
// docs/decisions/0002-resume-and-fencing.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/engine/tracker.h"
#include "services/common/base/file.h"
#include "services/common/block/block.h"

namespace godwit::agent {

// Blocks [first, first + 16) of a disk, those with a set bit.
struct BlockGroup {
  std::uint64_t first_block = 0;
  std::uint32_t present = 0;
};

// Not thread-safe: the engine's mutex guards it.
class SourceDisk {
 public:
  // `path` is the device (or file) to read.
  static absl::StatusOr<std::unique_ptr<SourceDisk>> Open(const std::string& disk_id,
                                                          const std::string& path,
                                                          std::uint64_t size_bytes,
                                                          std::unique_ptr<ChangeTracker> tracker);
  const std::string& disk_id() const { return disk_id_; }
  const std::string& path() const { return path_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  std::uint64_t block_count() const { return states_.size(); }
  ChangeTracker& tracker() { return *tracker_; }

  // Reads blocks [first, first + count) by direct I/O. Safe from another thread.
  absl::Status Read(std::uint64_t first, std::uint64_t count, block::MutableBytes out) const;

  // Marks from the tracker become pending. How many there were; *fresh, unless null, receives the
  // blocks that were not pending before.
  absl::StatusOr<std::uint64_t> TakeMarks(bool exact, std::vector<std::uint64_t>* fresh = nullptr);
  // Captured writes are what changed the pending block: it need not be read now. What a captured
  // write leaves on the disk is certain only by reading it once (its buffer may have changed
  // meanwhile), and only while the capture goes on: an agent that starts anew compares it.
  void Captured(std::uint64_t block);
  // Everything must be sent, and nothing is known of the replica.
  void SetAllPending();
  // Everything must be compared.
  void SetAllUnverified();
  // The content of these blocks means nothing: they are neither sent nor compared (until they are
  // marked again). How many there were.
  std::uint64_t LeaveOut(std::uint64_t first, std::uint64_t count);
  // A broken stream: what was on its way is pending again.
  void ForgetSent();
  // The open epoch was committed.
  void Committed();

  std::uint64_t pending() const { return pending_; }
  // Blocks that marks made pending, since Open; without those that captured writes explained.
  std::uint64_t marked() const { return marked_; }
  std::uint64_t unverified() const { return unverified_; }
  // What is known of a block, for whoever wants to compare it.
  enum class Standing {
    kSettled,  // sent, or carried by captured writes
    kMoving,   // pending, unverified or on its way
    kUnused,   // left out
    kFilled    // left out, and captured writes came into it since
  };
  Standing StandingOf(std::uint64_t block) const;

  // Of a block: it must be sent and is not on its way; it is; it must be compared.
  bool ToSend(std::uint64_t block) const {
    return (states_[block] & (kPending | kSent)) == kPending;
  }
  bool OnItsWay(std::uint64_t block) const { return (states_[block] & kSent) != 0; }
  bool ToCompare(std::uint64_t block) const { return (states_[block] & kUnverified) != 0; }

  // Blocks in the open epoch.
  std::uint64_t durable() const { return durable_; }

  // The next blocks to send at or behind `*cursor` (moved on; wraps once by the caller setting it
  // to 0), among at most `most` consecutive ones. Empty: none.
  BlockGroup NextPending(std::uint64_t* cursor, std::uint32_t most = block::kMaxFrameBlocks) const;
  // The next run of blocks to compare, at most `limit`; 0 blocks: none.
  std::uint64_t NextUnverified(std::uint64_t* first, std::uint64_t limit) const;
  // They are being read and sent now. Marks that come afterwards make them pending again.
  void Sent(const BlockGroup& blocks);
  // The worker has them for good.
  void Durable(const BlockGroup& blocks);
  // The worker compared them; Differs() for those that must be sent.
  void Verified(std::uint64_t first, std::uint64_t count);
  void Differs(std::uint64_t block);

 private:
  // Bits of a state.
  static constexpr std::uint8_t kPending = 1;  // must be sent
  static constexpr std::uint8_t kSent = 2;     // read and on its way; with kPending: changed since
  static constexpr std::uint8_t kDurable = 4;  // in the open epoch
  static constexpr std::uint8_t kUnverified = kStateUnknown;
  static constexpr std::uint8_t kCaptured = 16;
  static constexpr std::uint8_t kLeftOut = 32;

  SourceDisk(std::string disk_id, std::string path, std::uint64_t size_bytes, Fd fd,
             std::unique_ptr<ChangeTracker> tracker);
  void Change(std::uint64_t block, std::uint8_t set, std::uint8_t clear);

  const std::string disk_id_, path_;
  const std::uint64_t size_bytes_;
  const Fd fd_;
  const std::unique_ptr<ChangeTracker> tracker_;
  const std::span<std::uint8_t> states_;
  std::uint64_t pending_ = 0, unverified_ = 0, durable_ = 0, marked_ = 0;
};

}  // namespace godwit::agent
