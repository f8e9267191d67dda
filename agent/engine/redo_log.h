// What was captured, by place: the last content of every sector.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "agent/capture/write_capture.h"
#include "services/common/block/block.h"

namespace godwit::agent {

// A 64 KiB block of a disk.
using BlockPlace = std::pair<std::uint32_t, std::uint64_t>;

// Not thread-safe.
class RedoLog {
 public:
  explicit RedoLog(std::size_t max_bytes) : max_pages_(max_bytes / kPage) {}

  // In the order of capture.
  void Add(const CapturedWrite& write);
  // What came after; *newer is empty then.
  void Absorb(RedoLog* newer);
  // More was captured than fits: nothing here is of use.
  bool overflowed() const { return overflowed_; }
  // Held in memory, in whole pages.
  std::int64_t bytes() const { return static_cast<std::int64_t>(pages_.size() * kPage); }
  bool empty() const { return blocks_.empty() && !overflowed_; }
  // A captured write (or discard) touched the block.
  bool Covers(std::uint32_t disk, std::uint64_t block) const {
    return blocks_.contains({disk, block});
  }
  const absl::flat_hash_set<BlockPlace>& blocks() const { return blocks_; }
  // Blocks with discarded or zeroed sectors since the last call: what they read as is asked of the
  // disk.
  std::vector<BlockPlace> TakeUnread();
  // Calls `run` for every run of consecutive sectors, at most 4096 bytes each, ascending.
  absl::Status ForEach(const std::function<absl::Status(std::uint32_t disk, std::uint64_t sector,
                                                        block::Bytes content)>& run) const;

 private:
  static constexpr std::size_t kPage = 4096;
  struct Page {
    std::uint8_t sectors = 0;  // bit i: sector i of the page
    std::unique_ptr<std::array<std::uint8_t, kPage>> content;
  };
  struct Range {
    std::uint32_t disk;
    std::uint64_t sector, end;
  };
  void Forget(const Range& range);

  std::size_t max_pages_;
  bool overflowed_ = false;
  absl::flat_hash_map<std::pair<std::uint32_t, std::uint64_t>, Page> pages_;  // disk, page
  absl::flat_hash_set<BlockPlace> blocks_;
  std::vector<Range> discarded_;
  std::size_t unread_from_ = 0;  // in discarded_
};

}  // namespace godwit::agent
