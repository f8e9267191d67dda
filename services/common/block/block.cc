#include "services/common/block/block.h"

#include <cstdlib>
#include <cstring>

#include "services/common/base/check.h"

namespace godwit::block {

bool IsZero(Bytes bytes) {
  // All bytes equal their left neighbour and the first is zero: memcmp does it at memory speed.
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

AlignedBuffer::AlignedBuffer(std::size_t size) : size_(size) {
  const std::size_t rounded = (std::max<std::size_t>(size, 1) + 4095) / 4096 * 4096;
  data_.reset(static_cast<std::uint8_t*>(std::aligned_alloc(4096, rounded)));
  GODWIT_CHECK(data_ != nullptr);
  std::memset(data_.get(), 0, rounded);
}

void AlignedBuffer::Free::operator()(std::uint8_t* data) const { std::free(data); }

}  // namespace godwit::block
