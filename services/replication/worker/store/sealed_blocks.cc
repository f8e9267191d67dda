#include "services/replication/worker/store/sealed_blocks.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/qcow2.h"

namespace godwit::store {

using block::kBlockSize;

absl::Status SealedBlocks::Open(const std::string& path, FileNumber* number) {
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kReadOnly));
  *number = ++last_;
  files_.emplace(*number, std::move(file));
  numbers_[path] = *number;
  return absl::OkStatus();
}

absl::Status SealedBlocks::AddBase(const std::string& path) {
  FileNumber number = 0;
  RETURN_IF_ERROR(Open(path, &number));
  for (std::size_t block = 0; block < places_.size(); ++block) {
    places_[block] = {number, static_cast<std::uint32_t>(block)};
  }
  return absl::OkStatus();
}

absl::Status SealedBlocks::AddLayer(const std::string& path, const std::vector<Placed>& blocks) {
  FileNumber number = 0;
  RETURN_IF_ERROR(Open(path, &number));
  for (const Placed& placed : blocks) {
    if (placed.block >= places_.size()) {
      return absl::DataLossError(path + ": a block behind the end of the disk");
    }
    places_[placed.block] = {number, placed.offset == Placed::kZero
                                         ? kZeros
                                         : static_cast<std::uint32_t>(placed.offset / kBlockSize)};
  }
  return absl::OkStatus();
}

absl::Status SealedBlocks::Merged(const std::string& path, const std::vector<std::string>& below) {
  std::set<FileNumber> gone = {numbers_[path]};
  for (const std::string& name : below) {
    gone.insert(numbers_[name]);
    numbers_.erase(name);
  }
  ASSIGN_OR_RETURN(std::vector<Placed> blocks, ReadLayerTable(path));
  // What newer layers hold stays with them.
  std::erase_if(blocks, [&](const Placed& placed) {
    return placed.block < places_.size() && !gone.contains(places_[placed.block].file);
  });
  RETURN_IF_ERROR(AddLayer(path, blocks));
  for (const FileNumber number : gone) files_.erase(number);
  return absl::OkStatus();
}

absl::Status SealedBlocks::Read(std::uint64_t block, block::MutableBytes bytes) const {
  const Place place = places_[block];
  if (place.file == 0 || place.cluster == kZeros) {
    std::fill(bytes.begin(), bytes.end(), 0);
    return absl::OkStatus();
  }
  return files_.at(place.file).Read(place.cluster * std::uint64_t{kBlockSize}, bytes);
}

}  // namespace godwit::store
