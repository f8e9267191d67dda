#include "services/replication/worker/engine/frames.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/hash.h"

namespace godwit::worker {
namespace pb = ::godwit::replication::v1;

std::uint32_t RunLength(std::uint32_t present, std::uint32_t bit) {
  return static_cast<std::uint32_t>(std::countr_one(present >> bit));
}

absl::StatusOr<block::MutableBytes> FrameDecoder::Plain(const pb::Data& data,
                                                        std::uint64_t disk_bytes) {
  const std::uint32_t present = data.present();
  if (present == 0 || present >= (1u << block::kMaxFrameBlocks)) {
    return absl::InvalidArgumentError("data.present: 1 to 16 bits must be set");
  }
  const auto last = static_cast<std::uint64_t>(std::bit_width(present)) - 1;
  const std::uint64_t blocks = block::BlockCount(disk_bytes);
  if (data.first_block() >= blocks || last >= blocks - data.first_block()) {
    return absl::InvalidArgumentError(absl::StrCat("data.first_block: ", data.first_block(),
                                                   " is behind the end of the disk (", blocks,
                                                   " blocks)"));
  }
  const std::size_t size =
      (static_cast<std::size_t>(std::popcount(present)) - 1) * block::kBlockSize +
      block::BlockBytes(disk_bytes, data.first_block() + last);
  const block::MutableBytes plain = plain_.bytes().first(size);
  const block::Bytes payload(reinterpret_cast<const std::uint8_t*>(data.payload().data()),
                             data.payload().size());
  switch (data.codec()) {
    case pb::CODEC_NONE:
      if (payload.size() != size) {
        return absl::InvalidArgumentError(
            absl::StrCat("data.payload: ", payload.size(), " bytes, expected ", size));
      }
      std::memcpy(plain.data(), payload.data(), size);
      break;
    case pb::CODEC_ZSTD:
      RETURN_IF_ERROR(Annotate(decompressor_.Decompress(payload, plain), "data"));
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat("data.codec: unknown codec ", data.codec()));
  }
  if (block::Checksum(plain) != data.checksum()) {
    return absl::DataLossError("data.checksum: the payload was damaged on its way");
  }
  return plain;
}

}  // namespace godwit::worker
