// Data and Patch frames of agents: whatever is accepted lies inside of the disk, in ascending runs.
//   8 bytes   the size of the disk
//   1 byte    odd: the checksum of the payload is made right first, or nothing would get past it
//   the rest  an AgentFrame
#include <google/protobuf/stubs/logging.h>
#include <zstd.h>

#include "godwit/replication/v1/block_stream.pb.h"
#include "services/common/base/check.h"
#include "services/common/block/hash.h"
#include "services/replication/worker/engine/frames.h"
#include "tests/fuzz/targets/input.h"

namespace {

namespace block = godwit::block;
namespace pb = godwit::replication::v1;
constexpr std::size_t kMaxPlain = block::kMaxFrameBlocks * block::kBlockSize;

template <typename Frame>
void MendChecksum(Frame* frame) {
  static block::AlignedBuffer plain(kMaxPlain);
  const std::string& payload = frame->payload();
  std::size_t size = payload.size();
  if (frame->codec() == pb::CODEC_ZSTD) {
    size = ZSTD_decompress(plain.data(), plain.size(), payload.data(), payload.size());
    if (ZSTD_isError(size)) return;
    return frame->set_checksum(block::Checksum(plain.bytes().first(size)));
  }
  frame->set_checksum(
      block::Checksum({reinterpret_cast<const std::uint8_t*>(payload.data()), size}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const google::protobuf::LogSilencer quiet;
  godwit::fuzz::Input input(data, size);
  const std::uint64_t disk_bytes = input.Take<std::uint64_t>() % (block::kMaxDiskBytes + 1);
  const bool mend = input.Take<std::uint8_t>() % 2 == 1;
  pb::AgentFrame frame;
  if (!frame.ParseFromArray(input.rest().data(), static_cast<int>(input.rest().size()))) return 0;
  static godwit::worker::FrameDecoder decoder;

  if (frame.has_data()) {
    if (mend) MendChecksum(frame.mutable_data());
    std::uint64_t end = 0, sum = 0;
    const absl::Status status =
        decoder.Decode(frame.data(), disk_bytes, [&](const godwit::worker::BlockRun& run) {
          GODWIT_CHECK(!run.bytes.empty() && run.first_block >= end);
          GODWIT_CHECK(reinterpret_cast<std::uintptr_t>(run.bytes.data()) % 4096 == 0);
          const std::uint64_t start = run.first_block * block::kBlockSize;
          GODWIT_CHECK(start < disk_bytes && run.bytes.size() <= disk_bytes - start);
          end = run.first_block + block::BlockCount(run.bytes.size());
          GODWIT_CHECK(end <= block::BlockCount(disk_bytes));
          for (const std::uint8_t byte : run.bytes) sum += byte;  // all of it can be read
          return absl::OkStatus();
        });
    GODWIT_CHECK(status.ok() == (end > 0) && sum <= kMaxPlain * 255);
  }
  if (frame.has_patch()) {
    if (mend) MendChecksum(frame.mutable_patch());
    const auto runs = decoder.Decode(frame.patch(), disk_bytes);
    if (!runs.ok()) return 0;
    GODWIT_CHECK(!runs->empty());
    std::uint64_t end = 0, total = 0, sum = 0;
    for (const godwit::store::SectorRun& run : *runs) {
      GODWIT_CHECK(!run.bytes.empty() && run.bytes.size() % block::kSectorSize == 0);
      GODWIT_CHECK(run.sector >= end);
      end = run.sector + run.bytes.size() / block::kSectorSize;
      GODWIT_CHECK(end <= disk_bytes / block::kSectorSize);
      total += run.bytes.size();
      for (const std::uint8_t byte : run.bytes) sum += byte;
    }
    GODWIT_CHECK(total <= kMaxPlain && sum <= total * 255);
  }
  return 0;
}
