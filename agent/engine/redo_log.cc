#include "agent/engine/redo_log.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "services/common/base/status_macros.h"

namespace godwit::agent {

using block::kBlockSize;
using block::kSectorSize;

namespace {

constexpr std::uint64_t kSectorsPerPage = 8, kSectorsPerBlock = kBlockSize / kSectorSize;
// Discards and zeroed ranges that are remembered one by one.
constexpr std::size_t kMaxDiscards = 65536;
// A discard of more than this is no matter of a cut.
constexpr std::uint64_t kMaxDiscardBlocks = 65536;

}  // namespace

void RedoLog::Add(const CapturedWrite& write) {
  const std::uint64_t sectors = write.bytes / kSectorSize;
  if (sectors == 0 || overflowed_) return;
  const std::uint64_t end = write.sector + sectors;
  const std::uint64_t first_block = write.sector / kSectorsPerBlock,
                      last_block = (end - 1) / kSectorsPerBlock;
  if (write.content.empty()) {
    if (discarded_.size() >= kMaxDiscards || last_block - first_block >= kMaxDiscardBlocks) {
      overflowed_ = true;
      return;
    }
    discarded_.push_back({write.disk, write.sector, end});
    Forget(discarded_.back());
  } else {
    if (pages_.size() + sectors / kSectorsPerPage + 2 > max_pages_) {
      overflowed_ = true;
      return;
    }
    for (std::uint64_t sector = write.sector; sector < end;) {
      const std::uint64_t from = sector % kSectorsPerPage;
      const std::uint64_t count = std::min(kSectorsPerPage - from, end - sector);
      Page& page = pages_[{write.disk, sector / kSectorsPerPage}];
      if (page.content == nullptr)
        page.content.reset(new std::array<std::uint8_t, kPage>);  // not zeroed
      std::memcpy(page.content->data() + from * kSectorSize,
                  write.content.data() + (sector - write.sector) * kSectorSize,
                  count * kSectorSize);
      page.sectors = static_cast<std::uint8_t>(page.sectors | (((1u << count) - 1) << from));
      sector += count;
    }
  }
  for (std::uint64_t block = first_block; block <= last_block; ++block)
    blocks_.insert({write.disk, block});
}

// Older content of what was discarded since.
void RedoLog::Forget(const Range& range) {
  const auto clear = [&](std::uint64_t page, std::uint8_t mask) {
    const auto found = pages_.find({range.disk, page});
    if (found == pages_.end()) return;
    found->second.sectors = static_cast<std::uint8_t>(found->second.sectors & ~mask);
    if (found->second.sectors == 0) pages_.erase(found);
  };
  if ((range.end - range.sector) / kSectorsPerPage > pages_.size()) {
    // Fewer pages than places.
    absl::erase_if(pages_, [&](const auto& entry) {
      const std::uint64_t first = entry.first.second * kSectorsPerPage;
      return entry.first.first == range.disk && first >= range.sector &&
             first + kSectorsPerPage <= range.end;
    });
  }
  for (std::uint64_t sector = range.sector; sector < range.end && !pages_.empty();) {
    const std::uint64_t from = sector % kSectorsPerPage;
    const std::uint64_t count = std::min(kSectorsPerPage - from, range.end - sector);
    clear(sector / kSectorsPerPage, static_cast<std::uint8_t>(((1u << count) - 1) << from));
    sector += count;
  }
}

void RedoLog::Absorb(RedoLog* newer) {
  overflowed_ = overflowed_ || newer->overflowed_;
  for (const Range& range : newer->discarded_) {
    Forget(range);
    discarded_.push_back(range);
  }
  for (auto& [place, page] : newer->pages_) {
    Page& own = pages_[place];
    if (own.sectors == 0 || page.sectors == 0xff) {
      own = std::move(page);
      continue;
    }
    for (unsigned bit = 0; bit < kSectorsPerPage; ++bit) {
      if ((page.sectors >> bit & 1) != 0)
        std::memcpy(own.content->data() + bit * kSectorSize,
                    page.content->data() + bit * kSectorSize, kSectorSize);
    }
    own.sectors |= page.sectors;
  }
  blocks_.merge(newer->blocks_);
  if (pages_.size() > max_pages_ || discarded_.size() > kMaxDiscards) overflowed_ = true;
  *newer = RedoLog(newer->max_pages_ * kPage);
}

std::vector<BlockPlace> RedoLog::TakeUnread() {
  std::vector<BlockPlace> unread;
  for (; unread_from_ < discarded_.size(); ++unread_from_) {
    const Range& range = discarded_[unread_from_];
    for (std::uint64_t block = range.sector / kSectorsPerBlock;
         block <= (range.end - 1) / kSectorsPerBlock; ++block)
      unread.emplace_back(range.disk, block);
  }
  return unread;
}

absl::Status RedoLog::ForEach(
    const std::function<absl::Status(std::uint32_t, std::uint64_t, block::Bytes)>& run) const {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> places;
  places.reserve(pages_.size());
  for (const auto& [place, page] : pages_) places.push_back(place);
  std::sort(places.begin(), places.end());
  for (const auto& place : places) {
    const Page& page = pages_.at(place);
    for (unsigned bit = 0; bit < kSectorsPerPage;) {
      const auto length =
          static_cast<unsigned>(std::countr_one(static_cast<std::uint8_t>(page.sectors >> bit)));
      if (length == 0) {
        ++bit;
        continue;
      }
      RETURN_IF_ERROR(run(place.first, place.second * kSectorsPerPage + bit,
                          {page.content->data() + bit * kSectorSize, length * kSectorSize}));
      bit += length;
    }
  }
  return absl::OkStatus();
}

}  // namespace godwit::agent
