// Reads blocks, leaves zeros out, compresses and sends. One for each session.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/engine/redo_log.h"
#include "agent/engine/source_disk.h"
#include "agent/uplink/block_session.h"
#include "services/common/block/codec.h"

namespace godwit::agent {

// Not thread-safe.
class Sender {
 public:
  explicit Sender(BlockSession& session)
      : session_(session), buffer_(block::kMaxFrameBlocks * block::kBlockSize) {}
  // 0: unlimited.
  void SetLimit(std::int64_t bytes_per_second) { limit_ = bytes_per_second; }

  // Reads `blocks` (not yet marked sent) and sends them.
  absl::Status ReadAndSend(std::uint32_t index, const SourceDisk& disk, const BlockGroup& blocks);
  // Sends blocks whose content is in `plain`, one behind the other.
  absl::Status Send(std::uint32_t index, const SourceDisk& disk, const BlockGroup& blocks,
                    block::MutableBytes plain);
  // Sends what was captured during a cut.
  absl::Status SendPatches(const RedoLog& redo);
  // Zero blocks are gathered to ranges: sends what is left.
  absl::Status Flush();

 private:
  absl::Status SendData(std::uint32_t index, const BlockGroup& blocks, block::Bytes plain);
  absl::Status SendPatch(std::uint32_t disk, const std::vector<std::uint64_t>& runs,
                         block::Bytes plain);
  void ChooseLevel();
  void Throttle(std::int64_t bytes);

  BlockSession& session_;
  block::Compressor compressor_;
  block::AlignedBuffer buffer_;
  std::string packed_;
  // Of zstd, or kNone.
  std::size_t rung_ = 1;
  int frames_since_choice_ = 0;
  std::int64_t limit_ = 0;
  double allowance_ = 0;
  absl::Time allowance_at_ = absl::InfinitePast();
  struct ZeroRun {
    std::uint64_t first, count;
  };
  std::map<std::uint32_t, ZeroRun> zeros_;  // of each disk
};

}  // namespace godwit::agent
