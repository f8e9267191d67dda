#include "agent/engine/sender.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <random>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/hash.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;

namespace {

constexpr int kNone = -1000;
constexpr int kLadder[] = {kNone, -5, -1, 1, 3};
// The level is chosen anew after so many frames.
constexpr int kChoiceFrames = 32;
constexpr std::uint64_t kMaxZeroRun = 65536;

std::uint32_t Mask(std::uint32_t bit) { return 1u << bit; }

// Behind the checksum, where a test asks for it: the worker must see it.
void DamageWhenAsked(const absl::Status& asked, std::string* payload) {
  if (asked.ok()) return;
  std::mt19937 random(static_cast<unsigned>(payload->size()));
  (*payload)[random() % payload->size()] ^= static_cast<char>(1 << (random() % 8));
}

}  // namespace

absl::Status Sender::Send(std::uint32_t index, const SourceDisk& disk, const BlockGroup& blocks,
                          block::MutableBytes plain) {
  BlockGroup data{.first_block = blocks.first_block};
  const std::size_t most = FrameBytes();
  std::size_t in = 0, out = 0;
  for (std::uint32_t bit = 0; bit < block::kMaxFrameBlocks; ++bit) {
    if ((blocks.present & Mask(bit)) == 0) continue;
    const std::uint64_t number = blocks.first_block + bit;
    const std::size_t bytes = block::BlockBytes(disk.size_bytes(), number);
    if (block::IsZero(plain.subspan(in, bytes))) {
      const auto run = zeros_.find(index);
      if (run != zeros_.end() && run->second.first + run->second.count == number &&
          run->second.count < kMaxZeroRun) {
        ++run->second.count;
      } else {
        if (run != zeros_.end()) RETURN_IF_ERROR(Flush());
        zeros_[index] = {number, 1};
      }
    } else {
      if (out > 0 && out + bytes > most) {
        RETURN_IF_ERROR(SendData(index, data, plain.first(out)));
        data.present = 0;
        out = 0;
      }
      if (in != out) std::memmove(plain.data() + out, plain.data() + in, bytes);
      out += bytes;
      data.present |= Mask(bit);
    }
    in += bytes;
  }
  return data.present == 0 ? absl::OkStatus() : SendData(index, data, plain.first(out));
}

absl::Status Sender::SendData(std::uint32_t index, const BlockGroup& blocks, block::Bytes plain) {
  pb::AgentFrame frame;
  pb::Data& data = *frame.mutable_data();
  data.set_disk(index);
  data.set_first_block(blocks.first_block);
  data.set_present(blocks.present);
  data.set_checksum(block::Checksum(plain));
  ChooseLevel();
  if (kLadder[rung_] != kNone && compressor_.Compress(kLadder[rung_], plain, &packed_)) {
    data.set_codec(pb::CODEC_ZSTD);
    data.set_payload(packed_);
  } else {
    data.set_codec(pb::CODEC_NONE);
    data.set_payload(plain.data(), plain.size());
  }
  DamageWhenAsked(data.codec() == pb::CODEC_NONE
                      ? GODWIT_FAILPOINT_STATUS("agent.send.damage_plain")
                      : GODWIT_FAILPOINT_STATUS("agent.send.damage_packed"),
                  data.mutable_payload());
  return SendLimited(
      std::move(frame),
      {.disk = index, .blocks = blocks, .bytes = static_cast<std::int64_t>(plain.size())});
}

absl::Status Sender::SendPatches(const RedoLog& redo) {
  constexpr std::size_t kMaxRuns = 2048;
  const std::size_t most = FrameBytes();
  std::uint32_t disk = 0;
  std::vector<std::uint64_t> runs;
  std::size_t size = 0;
  const auto send = [&]() -> absl::Status {
    if (runs.empty()) return absl::OkStatus();
    const absl::Status status = SendPatch(disk, runs, buffer_.bytes().first(size));
    runs.clear();
    size = 0;
    return status;
  };
  RETURN_IF_ERROR(redo.ForEach(
      [&](std::uint32_t of, std::uint64_t sector, block::Bytes content) -> absl::Status {
        if (of != disk || size + content.size() > most || runs.size() >= 2 * kMaxRuns) {
          RETURN_IF_ERROR(send());
        }
        disk = of;
        std::memcpy(buffer_.data() + size, content.data(), content.size());
        size += content.size();
        const std::uint64_t sectors = content.size() / block::kSectorSize;
        if (!runs.empty() && runs[runs.size() - 2] + runs.back() == sector) {
          runs.back() += sectors;
        } else {
          runs.insert(runs.end(), {sector, sectors});
        }
        return absl::OkStatus();
      }));
  return send();
}

absl::Status Sender::SendPatch(std::uint32_t disk, const std::vector<std::uint64_t>& runs,
                               block::Bytes plain) {
  pb::AgentFrame frame;
  pb::Patch& patch = *frame.mutable_patch();
  patch.set_disk(disk);
  patch.mutable_runs()->Add(runs.begin(), runs.end());
  patch.set_checksum(block::Checksum(plain));
  ChooseLevel();
  if (kLadder[rung_] != kNone && compressor_.Compress(kLadder[rung_], plain, &packed_)) {
    patch.set_codec(pb::CODEC_ZSTD);
    patch.set_payload(packed_);
  } else {
    patch.set_codec(pb::CODEC_NONE);
    patch.set_payload(plain.data(), plain.size());
  }
  DamageWhenAsked(GODWIT_FAILPOINT_STATUS("agent.send.damage_patch"), patch.mutable_payload());
  return SendLimited(std::move(frame),
                     {.disk = disk, .bytes = static_cast<std::int64_t>(plain.size())});
}

absl::Status Sender::Flush() {
  for (const auto& [index, run] : zeros_) {
    pb::AgentFrame frame;
    pb::Zero& zero = *frame.mutable_zero();
    zero.set_disk(index);
    zero.set_first_block(run.first);
    zero.set_block_count(run.count);
    RETURN_IF_ERROR(SendLimited(std::move(frame),
                                {.disk = index, .zero_first = run.first, .zero_count = run.count}));
  }
  zeros_.clear();
  return absl::OkStatus();
}

std::string Sender::codec() const {
  return kLadder[rung_] == kNone ? "none" : absl::StrCat("zstd ", kLadder[rung_]);
}

void Sender::ChooseLevel() {
  if (++frames_since_choice_ < kChoiceFrames) return;
  frames_since_choice_ = 0;
  // Waiting for the window: the link is slower than this processor, so spend processor on fewer
  // bytes.
  const int waited = session_.TakeWaitPermille();
  if (waited > 500 && rung_ + 1 < std::size(kLadder)) ++rung_;
  if (waited < 100 && rung_ > 0) --rung_;
}

std::size_t Sender::FrameBytes() {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(
      limit_.BestCharge(), kBlockSize, static_cast<std::int64_t>(buffer_.size())));
}

absl::Status Sender::SendLimited(pb::AgentFrame frame, InFlight in_flight) {
  limit_.Charge(static_cast<std::int64_t>(frame.ByteSizeLong()));
  limit_.Settle();
  return session_.Send(std::move(frame), in_flight);
}

}  // namespace godwit::agent
