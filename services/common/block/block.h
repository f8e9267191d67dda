// Blocks: the unit of change marks, hashes and the block stream. 64 KiB; the last block of a disk
// may be shorter.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

namespace godwit::block {

inline constexpr std::uint32_t kBlockSize = 64 * 1024;
inline constexpr std::uint64_t kMaxDiskBytes = std::uint64_t{64} << 40;
inline constexpr std::uint64_t kMinDiskBytes = 1 << 20;
inline constexpr std::uint32_t kSectorSize = 512;
// Blocks of one Data frame.
inline constexpr std::uint32_t kMaxFrameBlocks = 16;

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

constexpr std::uint64_t BlockCount(std::uint64_t disk_bytes) {
  return (disk_bytes + kBlockSize - 1) / kBlockSize;
}
// Bytes of block `block` of a disk of `disk_bytes`; 0 behind its end.
constexpr std::uint32_t BlockBytes(std::uint64_t disk_bytes, std::uint64_t block) {
  const std::uint64_t start = block * kBlockSize;
  return start >= disk_bytes
             ? 0
             : static_cast<std::uint32_t>(std::min<std::uint64_t>(kBlockSize, disk_bytes - start));
}

// True when all bytes are zero.
bool IsZero(Bytes bytes);

// Memory for direct I/O: aligned to 4096 bytes, zeroed at first.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(std::size_t size);
  MutableBytes bytes() { return {data_.get(), size_}; }
  std::uint8_t* data() { return data_.get(); }
  const std::uint8_t* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::uint8_t* data) const;
  };
  std::unique_ptr<std::uint8_t, Free> data_;
  std::size_t size_;
};

}  // namespace godwit::block
