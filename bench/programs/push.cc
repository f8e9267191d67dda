#include "bench/programs/push.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/uplink/block_session.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/block.h"
#include "services/common/block/hash.h"

namespace godwit::bench {
namespace pb = ::godwit::replication::v1;

absl::StatusOr<PushResult> Push(std::shared_ptr<grpc::Channel> channel, const std::string& server,
                                std::int64_t bytes) {
  constexpr std::size_t kFrame = block::kMaxFrameBlocks * block::kBlockSize;
  constexpr std::size_t kFrames = 16;  // other content in each, as a disk has it
  block::AlignedBuffer content(kFrames * kFrame);
  for (std::size_t at = 0; at < content.size(); at += kFrame) {
    RandomBytes(content.bytes().subspan(at, kFrame));
  }
  pb::Open open;
  open.set_source_server(absl::StrCat("sourceServers/", server));
  open.set_lease_generation(1);
  open.add_disks()->set_disk_id(kPushedDisk);
  open.mutable_disks(0)->set_size_bytes(kPushedDiskBytes);
  open.set_lane_count(1);
  open.set_session_id(NewUuid());
  ASSIGN_OR_RETURN(const auto session,
                   agent::BlockSession::Open([&] { return channel; }, open,
                                             {.durable = [](const agent::InFlight&) {},
                                              .hash_diff = [](const pb::HashDiff&) {}}));
  const absl::Time from = absl::Now();
  PushResult result;
  for (std::uint64_t number = 0; result.bytes < bytes; ++number) {
    const block::Bytes plain = content.bytes().subspan(number % kFrames * kFrame, kFrame);
    const agent::BlockGroup blocks{
        .first_block = number * block::kMaxFrameBlocks % block::BlockCount(kPushedDiskBytes),
        .present = (1u << block::kMaxFrameBlocks) - 1};
    pb::AgentFrame frame;
    pb::Data& data = *frame.mutable_data();
    data.set_first_block(blocks.first_block);
    data.set_present(blocks.present);
    data.set_checksum(block::Checksum(plain));
    data.set_codec(pb::CODEC_NONE);
    data.set_payload(plain.data(), plain.size());
    RETURN_IF_ERROR(session->Send(
        std::move(frame), {.blocks = blocks, .bytes = static_cast<std::int64_t>(plain.size())}));
    result.bytes += static_cast<std::int64_t>(plain.size());
  }
  RETURN_IF_ERROR(session->Flush(absl::Minutes(1)));
  result.took = absl::Now() - from;
  return result;
}

}  // namespace godwit::bench
