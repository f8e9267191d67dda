// Leaves zeros out, compresses and sends blocks. One for each session.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/engine/rate_limit.h"
#include "agent/engine/redo_log.h"
#include "agent/engine/source_disk.h"
#include "agent/uplink/block_session.h"
#include "services/common/block/codec.h"

namespace godwit::agent {

// Not thread-safe.
class Sender {
 public:
  // Both must outlive it.
  Sender(BlockSession& session, RateLimit& limit)
      : session_(session), limit_(limit), buffer_(block::kMaxFrameBlocks * block::kBlockSize) {}

  BlockSession& session() const { return session_; }
  // Sends blocks whose content is in `plain`, one behind the other.
  absl::Status Send(std::uint32_t index, const SourceDisk& disk, const BlockGroup& blocks,
                    block::MutableBytes plain);
  // Sends what was captured during a cut.
  absl::Status SendPatches(const RedoLog& redo);
  // How payloads are compressed now, for people.
  std::string codec() const;
  // Plain bytes of a frame: less than there is room for when the rate is low.
  std::size_t FrameBytes();
  // Zero blocks are gathered to ranges: sends what is left.
  absl::Status Flush();

 private:
  absl::Status SendData(std::uint32_t index, const BlockGroup& blocks, block::Bytes plain);
  absl::Status SendPatch(std::uint32_t disk, const std::vector<std::uint64_t>& runs,
                         block::Bytes plain);
  void ChooseLevel();
  // Once the limit lets the frame go.
  absl::Status SendLimited(replication::v1::AgentFrame frame, InFlight in_flight);

  BlockSession& session_;
  RateLimit& limit_;
  block::Compressor compressor_;
  block::AlignedBuffer buffer_;
  std::string packed_;
  // Of zstd, or kNone.
  std::size_t rung_ = 1;  // of the ladder of levels
  int frames_since_choice_ = 0;
  struct ZeroRun {
    std::uint64_t first, count;
  };
  std::map<std::uint32_t, ZeroRun> zeros_;  // of each disk
};

}  // namespace godwit::agent
