// Hashes frames of agents: whatever is accepted is of blocks inside of the disk, and nothing is
// lost. 8 bytes with the size of the disk, then an AgentFrame.
#include <google/protobuf/stubs/logging.h>

#include "godwit/replication/v1/block_stream.pb.h"
#include "services/common/base/check.h"
#include "services/replication/worker/engine/frames.h"
#include "tests/fuzz/targets/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const google::protobuf::LogSilencer quiet;
  namespace block = godwit::block;
  godwit::fuzz::Input input(data, size);
  const std::uint64_t disk_bytes = input.Take<std::uint64_t>() % (block::kMaxDiskBytes + 1);
  godwit::replication::v1::AgentFrame frame;
  if (!frame.ParseFromArray(input.rest().data(), static_cast<int>(input.rest().size()))) return 0;
  const auto& hashes = frame.hashes();
  const auto digests = godwit::worker::DecodeHashes(hashes, disk_bytes);
  if (!digests.ok()) return 0;
  GODWIT_CHECK(!digests->empty() && digests->size() <= 4096);
  for (std::size_t i = 0; i < digests->size(); ++i) {
    const std::uint64_t number = hashes.first_block() + i;
    GODWIT_CHECK(number < block::BlockCount(disk_bytes));
    GODWIT_CHECK(block::BlockBytes(disk_bytes, number) > 0);
    const auto& bytes = (*digests)[i].bytes;
    GODWIT_CHECK(std::equal(bytes.begin(), bytes.end(), hashes.digests().begin() + i * 16,
                            [](std::uint8_t a, char b) { return a == std::uint8_t(b); }));
  }
  return 0;
}
