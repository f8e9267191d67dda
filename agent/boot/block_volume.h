// A volume that is divided into a file system's blocks.
#pragma once

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/boot/picker.h"

namespace godwit::agent {

class BlockVolume {
 public:
  // `picker` must outlive it.
  BlockVolume(Picker& picker, Volume volume, std::uint32_t block_bytes, std::uint64_t blocks)
      : picker_(picker), volume_(std::move(volume)), block_bytes_(block_bytes), blocks_(blocks) {}

  std::uint64_t blocks() const { return blocks_; }
  // All fit on the volume.
  bool Fits() const { return blocks_ <= SizeOf(volume_) / block_bytes_; }
  // OUT_OF_RANGE: there are no such blocks; else as Picker has it.
  absl::Status Pick(std::uint64_t first, std::uint64_t count) {
    return Has(first, count) ? PickBytes(first * block_bytes_, count * block_bytes_)
                             : Missing(first);
  }
  absl::StatusOr<std::string> Read(std::uint64_t block) {
    return Has(block, 1) ? ReadBytes(block * block_bytes_, block_bytes_)
                         : absl::StatusOr<std::string>(Missing(block));
  }
  absl::Status PickBytes(std::uint64_t at, std::uint64_t size) {
    return picker_.Pick(volume_, at, size);
  }
  absl::StatusOr<std::string> ReadBytes(std::uint64_t at, std::size_t size) {
    return picker_.Read(volume_, at, size);
  }

 private:
  bool Has(std::uint64_t first, std::uint64_t count) const {
    return first < blocks_ && count <= blocks_ - first;
  }
  static absl::Status Missing(std::uint64_t block) {
    return absl::OutOfRangeError(absl::StrCat("no block ", block));
  }

  Picker& picker_;
  const Volume volume_;
  const std::uint32_t block_bytes_;
  const std::uint64_t blocks_;
};

}  // namespace godwit::agent
