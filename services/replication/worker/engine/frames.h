// Checks and decodes what agents send. Pure; agents are not trusted.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/replication/v1/block_stream.pb.h"
#include "services/common/block/block.h"
#include "services/common/block/codec.h"
#include "services/common/block/hash.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

// Consecutive blocks of one disk, in a decoder's buffer.
struct BlockRun {
  std::uint64_t first_block = 0;
  block::MutableBytes bytes;
};

// Not thread-safe: one for each stream.
class FrameDecoder {
 public:
  FrameDecoder() : plain_(block::kMaxFrameBlocks * block::kBlockSize) {}

  // The runs of a Data frame for a disk of `disk_bytes`, passed to `write` one by one in an aligned
  // buffer. INVALID_ARGUMENT names the bad field; DATA_LOSS: the payload was damaged on its way.
  template <typename Write>
  absl::Status Decode(const replication::v1::Data& data, std::uint64_t disk_bytes,
                      const Write& write);
  // The runs of a Patch frame, in the decoder's buffer. The same errors.
  absl::StatusOr<std::vector<store::SectorRun>> Decode(const replication::v1::Patch& patch,
                                                       std::uint64_t disk_bytes);

 private:
  // Decodes `payload` to plain_.first(size).
  absl::Status Unpack(const char* field, const std::string& payload, replication::v1::Codec codec,
                      std::uint64_t checksum, std::size_t size);
  // The plain payload, checked, in plain_.
  absl::StatusOr<block::MutableBytes> Plain(const replication::v1::Data& data,
                                            std::uint64_t disk_bytes);

  block::Decompressor decompressor_;
  block::AlignedBuffer plain_;
};

// The digests of a Hashes frame for a disk of `disk_bytes`. INVALID_ARGUMENT names the bad field.
absl::StatusOr<std::vector<block::Digest>> DecodeHashes(const replication::v1::Hashes& hashes,
                                                        std::uint64_t disk_bytes);

// Present bits to runs: the number of blocks of the run that starts at bit `bit`.
std::uint32_t RunLength(std::uint32_t present, std::uint32_t bit);

template <typename Write>
absl::Status FrameDecoder::Decode(const replication::v1::Data& data, std::uint64_t disk_bytes,
                                  const Write& write) {
  const absl::StatusOr<block::MutableBytes> plain = Plain(data, disk_bytes);
  if (!plain.ok()) return plain.status();
  // Blocks are 64 KiB and only the last of a disk is shorter, so every run starts aligned.
  std::size_t at = 0;
  for (std::uint32_t bit = 0; bit < block::kMaxFrameBlocks;) {
    const std::uint32_t length = RunLength(data.present(), bit);
    if (length == 0) {
      ++bit;
      continue;
    }
    const std::uint64_t first = data.first_block() + bit;
    const std::size_t size = (length - 1) * std::size_t{block::kBlockSize} +
                             block::BlockBytes(disk_bytes, first + length - 1);
    if (absl::Status status = write(BlockRun{first, plain->subspan(at, size)}); !status.ok())
      return status;
    at += size;
    bit += length;
  }
  return absl::OkStatus();
}

}  // namespace godwit::worker
