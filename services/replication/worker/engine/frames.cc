#include "services/replication/worker/engine/frames.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"

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
  RETURN_IF_ERROR(Unpack("data", data.payload(), data.codec(), data.checksum(), size));
  return plain_.bytes().first(size);
}

absl::Status FrameDecoder::Unpack(const char* field, const std::string& packed, pb::Codec codec,
                                  std::uint64_t checksum, std::size_t size) {
  const block::MutableBytes plain = plain_.bytes().first(size);
  const block::Bytes payload(reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size());
  switch (codec) {
    case pb::CODEC_NONE:
      if (payload.size() != size) {
        return absl::InvalidArgumentError(
            absl::StrCat(field, ".payload: ", payload.size(), " bytes, expected ", size));
      }
      std::memcpy(plain.data(), payload.data(), size);
      break;
    case pb::CODEC_ZSTD:
      RETURN_IF_ERROR(Annotate(decompressor_.Decompress(payload, plain), field));
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(field, ".codec: unknown codec ", static_cast<int>(codec)));
  }
  // Fails only in the test of the test: then damage is taken for content.
  if (block::Checksum(plain) != checksum &&
      GODWIT_FAILPOINT_STATUS("worker.frames.skip_checksum").ok()) {
    return absl::DataLossError(
        absl::StrCat(field, ".checksum: the payload was damaged on its way"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<store::SectorRun>> FrameDecoder::Decode(const pb::Patch& patch,
                                                                   std::uint64_t disk_bytes) {
  constexpr int kMaxRuns = 2048;
  if (patch.runs_size() < 2 || patch.runs_size() > 2 * kMaxRuns || patch.runs_size() % 2 != 0) {
    return absl::InvalidArgumentError("patch.runs: 1 to 2048 pairs are needed");
  }
  const std::uint64_t sectors = disk_bytes / block::kSectorSize;
  const std::uint64_t most = plain_.size() / block::kSectorSize;
  std::uint64_t end = 0, total = 0;
  for (int i = 0; i < patch.runs_size(); i += 2) {
    const std::uint64_t first = patch.runs(i), count = patch.runs(i + 1);
    if (count == 0 || count > most || first < end || first >= sectors || count > sectors - first) {
      return absl::InvalidArgumentError(absl::StrCat("patch.runs: ", count, " sectors at ", first,
                                                     " of a disk of ", sectors, ", behind ", end));
    }
    end = first + count;
    total += count;
    if (total > most) return absl::InvalidArgumentError("patch.runs: more than 1 MiB");
  }
  RETURN_IF_ERROR(Unpack("patch", patch.payload(), patch.codec(), patch.checksum(),
                         total * block::kSectorSize));
  std::vector<store::SectorRun> runs;
  std::size_t at = 0;
  for (int i = 0; i < patch.runs_size(); i += 2) {
    const std::size_t size = patch.runs(i + 1) * block::kSectorSize;
    runs.push_back({patch.runs(i), plain_.bytes().subspan(at, size)});
    at += size;
  }
  return runs;
}

absl::StatusOr<std::vector<block::Digest>> DecodeHashes(const pb::Hashes& hashes,
                                                        std::uint64_t disk_bytes) {
  constexpr std::size_t kDigest = sizeof(block::Digest);
  constexpr std::size_t kMaxDigests = 4096;
  const std::string& packed = hashes.digests();
  const std::size_t count = packed.size() / kDigest;
  if (count < 1 || count > kMaxDigests || packed.size() % kDigest != 0) {
    return absl::InvalidArgumentError("hashes.digests: 1 to 4096 digests of 16 bytes are needed");
  }
  const std::uint64_t blocks = block::BlockCount(disk_bytes);
  if (hashes.first_block() >= blocks || count > blocks - hashes.first_block()) {
    return absl::InvalidArgumentError(absl::StrCat("hashes.first_block: ", count, " blocks at ",
                                                   hashes.first_block(), " of a disk of ", blocks));
  }
  std::vector<block::Digest> digests(count);
  std::memcpy(digests.data(), packed.data(), packed.size());
  return digests;
}

}  // namespace godwit::worker
