#include "agent/engine/redo_log.h"

#include <bit>
#include <cstring>

#include "services/common/base/status_macros.h"

namespace godwit::agent {

using block::kSectorSize;

void RedoLog::Add(const CapturedWrite& write) {
  const std::uint64_t sectors = write.bytes / kSectorSize;
  if (pages_.size() + sectors / 8 + 1 > max_pages_) overflowed_ = true;
  if (overflowed_) return;
  for (std::uint64_t i = 0; i < sectors; ++i) {
    const std::uint64_t sector = write.sector + i;
    Page& page = pages_[{write.disk, sector / 8}];
    if (page.content == nullptr) page.content = std::make_unique<std::array<std::uint8_t, kPage>>();
    std::uint8_t* const to = page.content->data() + sector % 8 * kSectorSize;
    if (write.content.empty()) {
      std::memset(to, 0, kSectorSize);
    } else {
      std::memcpy(to, write.content.data() + i * kSectorSize, kSectorSize);
    }
    page.sectors = static_cast<std::uint8_t>(page.sectors | (1u << (sector % 8)));
    if (i == 0 || i + 1 == sectors || sector * kSectorSize % block::kBlockSize == 0)
      blocks_.insert({write.disk, sector * kSectorSize / block::kBlockSize});
  }
}

absl::Status RedoLog::ForEach(
    const std::function<absl::Status(std::uint32_t, std::uint64_t, block::Bytes)>& run) const {
  for (const auto& [place, page] : pages_) {
    for (unsigned bit = 0; bit < 8;) {
      const auto length =
          static_cast<unsigned>(std::countr_one(static_cast<std::uint8_t>(page.sectors >> bit)));
      if (length == 0) {
        ++bit;
        continue;
      }
      RETURN_IF_ERROR(run(place.first, place.second * 8 + bit,
                          {page.content->data() + bit * kSectorSize, length * kSectorSize}));
      bit += length;
    }
  }
  return absl::OkStatus();
}

}  // namespace godwit::agent
