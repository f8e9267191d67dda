#include "agent/engine/first_blocks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace godwit::agent {

using block::kBlockSize;

void FirstBlocks::Want(const std::vector<FirstRun>& runs, const Disks& disks) {
  entries_.clear();
  for (const FirstRun& run : runs) {
    if (run.disk >= disks.size()) continue;
    const std::uint64_t end = std::min(run.first + run.count, disks[run.disk]->block_count());
    for (std::uint64_t block = run.first; block < end; ++block)
      entries_.push_back({.disk = run.disk, .block = block});
  }
  wanted_ = entries_.size();
  send_at_ = compare_at_ = 0;
  complete_ = absl::InfiniteFuture();
}

void FirstBlocks::Restart() {
  for (Entry& entry : entries_) entry.sent = entry.asked = false;
  send_at_ = compare_at_ = 0;
}

BlockGroup FirstBlocks::NextToSend(const Disks& disks, std::uint32_t most, std::uint32_t* disk) {
  const auto ready = [&](const Entry& entry) {
    return !entry.sent && disks[entry.disk]->ToSend(entry.block);
  };
  while (send_at_ < entries_.size() && !ready(entries_[send_at_])) ++send_at_;
  if (send_at_ == entries_.size()) return {};
  *disk = entries_[send_at_].disk;
  BlockGroup group{.first_block = entries_[send_at_].block};
  for (; send_at_ < entries_.size(); ++send_at_) {
    Entry& entry = entries_[send_at_];
    if (entry.disk != *disk || entry.block < group.first_block ||
        entry.block - group.first_block >= std::min(most, block::kMaxFrameBlocks))
      break;
    if (!ready(entry)) continue;
    group.present |= 1u << (entry.block - group.first_block);
    entry.sent = true;
  }
  return group;
}

std::uint64_t FirstBlocks::NextToCompare(const Disks& disks, std::uint64_t limit,
                                         std::uint32_t* disk, std::uint64_t* first) {
  const auto ready = [&](const Entry& entry) {
    return !entry.asked && disks[entry.disk]->ToCompare(entry.block);
  };
  while (compare_at_ < entries_.size() && !ready(entries_[compare_at_])) ++compare_at_;
  std::uint64_t count = 0;
  for (; compare_at_ < entries_.size() && count < limit; ++compare_at_, ++count) {
    Entry& entry = entries_[compare_at_];
    if (count == 0) {
      *disk = entry.disk;
      *first = entry.block;
    }
    if (entry.disk != *disk || entry.block != *first + count || !ready(entry)) break;
    entry.asked = true;
  }
  return count;
}

bool FirstBlocks::Sweep(const Disks& disks, absl::Time now) {
  send_at_ = compare_at_ = 0;
  if (entries_.empty()) return false;
  std::erase_if(entries_, [&](const Entry& entry) {
    const SourceDisk& disk = *disks[entry.disk];
    if (disk.OnItsWay(entry.block)) return false;
    return entry.sent || (!disk.ToSend(entry.block) && !disk.ToCompare(entry.block));
  });
  if (!entries_.empty()) return false;
  complete_ = now;
  return true;
}

std::string FirstBlocks::Text() const {
  if (wanted_ == 0) return "";
  const auto mebibytes = [](std::uint64_t blocks) {
    return static_cast<double>(blocks) * kBlockSize / (1 << 20);
  };
  if (entries_.empty()) {
    return absl::StrFormat("%.1f MiB are there since %s", mebibytes(wanted_),
                           absl::FormatTime(absl::RFC3339_sec, complete_, absl::UTCTimeZone()));
  }
  return absl::StrFormat("%.1f of %.1f MiB are there", mebibytes(wanted_ - entries_.size()),
                         mebibytes(wanted_));
}

}  // namespace godwit::agent
