// What was captured during a window, by place: the last write of every sector.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "agent/capture/write_capture.h"
#include "services/common/block/block.h"

namespace godwit::agent {

// Not thread-safe.
class RedoLog {
 public:
  explicit RedoLog(std::size_t max_bytes) : max_pages_(max_bytes / kPage) {}

  // In the order of capture.
  void Add(const CapturedWrite& write);
  // More was captured than fits: nothing here is of use.
  bool overflowed() const { return overflowed_; }
  // A captured write touched the block.
  bool Covers(std::uint32_t disk, std::uint64_t block) const {
    return blocks_.contains({disk, block});
  }
  // Disk and 64 KiB block.
  const std::set<std::pair<std::uint32_t, std::uint64_t>>& blocks() const { return blocks_; }
  // Calls `run` for every run of consecutive sectors, at most 4096 bytes each, ascending.
  absl::Status ForEach(const std::function<absl::Status(std::uint32_t disk, std::uint64_t sector,
                                                        block::Bytes content)>& run) const;

 private:
  static constexpr std::size_t kPage = 4096;
  struct Page {
    std::uint8_t sectors = 0;  // bit i: sector i of the page
    std::unique_ptr<std::array<std::uint8_t, kPage>> content;
  };

  const std::size_t max_pages_;
  bool overflowed_ = false;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Page> pages_;  // disk, page
  std::set<std::pair<std::uint32_t, std::uint64_t>> blocks_;
};

}  // namespace godwit::agent
