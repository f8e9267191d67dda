#include "services/replication/worker/store/sealed_blocks.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {

using block::kBlockSize;

void SealedBlocks::Add(const std::string& path, BlockFile file, FileNumber* number) {
  *number = ++last_;
  files_.emplace(*number, std::move(file));
  numbers_[path] = *number;
}

absl::Status SealedBlocks::AddBase(const std::string& path, const DigestList& digests) {
  FileNumber number = 0;
  ASSIGN_OR_RETURN(BlockFile file, OpenBase(path, group_));
  Add(path, std::move(file), &number);
  for (std::size_t block = 0; block < places_.size(); ++block) {
    const bool zeros = group_ != nullptr && digests.IsZero(block);
    places_[block] = {number, zeros ? kZeros : static_cast<std::uint32_t>(block)};
  }
  pages_.clear();
  return absl::OkStatus();
}

absl::Status SealedBlocks::AddLayer(const std::string& path, const LayerTable& table) {
  FileNumber number = 0;
  ASSIGN_OR_RETURN(BlockFile file, OpenLayer(path, group_));
  Add(path, std::move(file), &number);
  const std::uint64_t end = (disk_bytes_ + table.cluster_bytes - 1) / table.cluster_bytes;
  for (const Placed& placed : table.placed) {
    if (placed.block >= end) {
      return absl::DataLossError(path + ": a block behind the end of the disk");
    }
    const Place place{number,
                      placed.offset == Placed::kZero
                          ? kZeros
                          : static_cast<std::uint32_t>(placed.offset / table.cluster_bytes)};
    if (!table.fine()) {
      places_[placed.block] = place;
      pages_.erase(placed.block);
      continue;
    }
    std::unique_ptr<Pages>& pages = pages_[placed.block / kPagesPerBlock];
    if (pages == nullptr) pages = std::make_unique<Pages>();
    (*pages)[placed.block % kPagesPerBlock] = place;
  }
  return absl::OkStatus();
}

absl::Status SealedBlocks::Merged(const std::string& path, const std::vector<std::string>& below) {
  std::set<FileNumber> gone = {numbers_[path]};
  for (const std::string& name : below) {
    gone.insert(numbers_[name]);
    numbers_.erase(name);
  }
  ASSIGN_OR_RETURN(LayerTable table, ReadLayerTable(path, group_));
  // What newer layers hold stays with them.
  std::erase_if(table.placed, [&](const Placed& placed) {
    if (table.fine()) {
      if (placed.block / kPagesPerBlock >= places_.size()) return false;
      bool fine = false;
      return !gone.contains(PlaceOf(placed.block, &fine).file);
    }
    if (placed.block >= places_.size()) return false;
    // Pages of newer layers lie above the block and stay there.
    return !gone.contains(places_[placed.block].file);
  });
  if (table.fine()) {
    RETURN_IF_ERROR(AddLayer(path, table));
    // Blocks of coarse layers that went are held page by page now.
    for (Place& place : places_) {
      if (gone.contains(place.file)) place = {};
    }
  } else {
    FileNumber number = 0;
    ASSIGN_OR_RETURN(BlockFile file, OpenLayer(path, group_));
    Add(path, std::move(file), &number);
    for (const Placed& placed : table.placed) {
      if (placed.block >= places_.size()) {
        return absl::DataLossError(path + ": a block behind the end of the disk");
      }
      places_[placed.block] = {number,
                               placed.offset == Placed::kZero
                                   ? kZeros
                                   : static_cast<std::uint32_t>(placed.offset / kBlockSize)};
    }
  }
  for (const FileNumber number : gone) files_.erase(number);
  return absl::OkStatus();
}

absl::Status SealedBlocks::Read(const Place& place, std::uint32_t cluster_bytes, std::uint64_t from,
                                block::MutableBytes bytes) const {
  if (place.file == 0 || place.cluster == kZeros) {
    std::fill(bytes.begin(), bytes.end(), 0);
    return absl::OkStatus();
  }
  return files_.at(place.file).Read(place.cluster * std::uint64_t{cluster_bytes} + from, bytes);
}

SealedBlocks::Place SealedBlocks::PlaceOf(std::uint64_t page, bool* fine) const {
  const auto found = pages_.find(page / kPagesPerBlock);
  *fine = found != pages_.end() && (*found->second)[page % kPagesPerBlock].file != 0;
  return *fine ? (*found->second)[page % kPagesPerBlock] : places_[page / kPagesPerBlock];
}

absl::Status SealedBlocks::ReadBlock(std::uint64_t block, block::MutableBytes bytes) const {
  const auto found = pages_.find(block);
  if (found == pages_.end()) return Read(places_[block], kBlockSize, 0, bytes);
  const Pages& pages = *found->second;
  const auto fine = [](const Place& place) { return place.file != 0; };
  if (!std::all_of(pages.begin(), pages.end(), fine))
    RETURN_IF_ERROR(Read(places_[block], kBlockSize, 0, bytes));
  for (std::size_t i = 0; i < kPagesPerBlock && i * kPageBytes < bytes.size();) {
    if (!fine(pages[i])) {
      ++i;
      continue;
    }
    // Pages that lie one behind the other are read at once.
    std::size_t run = 1;
    while (i + run < kPagesPerBlock && pages[i].cluster != kZeros &&
           pages[i + run].file == pages[i].file && pages[i + run].cluster == pages[i].cluster + run)
      ++run;
    const std::size_t from = i * kPageBytes;
    RETURN_IF_ERROR(Read(pages[i], kPageBytes, 0,
                         bytes.subspan(from, std::min(run * kPageBytes, bytes.size() - from))));
    i += run;
  }
  return absl::OkStatus();
}

absl::Status SealedBlocks::ReadPage(std::uint64_t page, block::MutableBytes bytes) const {
  bool fine = false;
  const Place place = PlaceOf(page, &fine);
  return fine ? Read(place, kPageBytes, 0, bytes)
              : Read(place, kBlockSize, page % kPagesPerBlock * kPageBytes, bytes);
}

}  // namespace godwit::store
