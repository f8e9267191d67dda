#include "agent/engine/read_ahead.h"

#include <bit>
#include <cstring>

#include "services/common/base/check.h"

namespace godwit::agent {

using block::kBlockSize;

namespace {

// One read from the first to the last block: gaps inside 1 MiB cost less than seeks.
void Read(ReadAhead::Piece& piece, block::MutableBytes buffer) {
  const std::uint32_t present = piece.blocks.present;
  const auto first = static_cast<std::uint32_t>(std::countr_zero(present));
  const auto last = static_cast<std::uint32_t>(std::bit_width(present)) - 1;
  const std::uint64_t start = piece.blocks.first_block + first;
  const std::size_t size =
      (last - first) * std::size_t{kBlockSize} +
      block::BlockBytes(piece.disk->size_bytes(), piece.blocks.first_block + last);
  piece.status = piece.disk->Read(start, last - first + 1, buffer.first(size));
  if (!piece.status.ok()) return;
  std::size_t out = 0;
  for (std::uint32_t bit = first; bit <= last; ++bit) {
    if ((present >> bit & 1) == 0) continue;
    const std::size_t in = (bit - first) * std::size_t{kBlockSize};
    const std::size_t bytes = std::min<std::size_t>(kBlockSize, size - in);
    if (in != out) std::memmove(buffer.data() + out, buffer.data() + in, bytes);
    out += bytes;
  }
  piece.plain = buffer.first(out);
}

}  // namespace

ReadAhead::ReadAhead() : slots_(kDepth) {
  for (Slot& slot : slots_)
    slot.buffer = std::make_unique<block::AlignedBuffer>(block::kMaxFrameBlocks * kBlockSize);
  thread_ = std::thread([this] { Loop(); });
}

ReadAhead::~ReadAhead() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void ReadAhead::Begin(std::uint32_t index, const SourceDisk& disk, const BlockGroup& blocks) {
  GODWIT_CHECK(!full());
  Slot& slot = slots_[(first_ + begun_) % kDepth];
  ++begun_;
  absl::MutexLock lock(&mutex_);
  slot.piece = {.index = index, .disk = &disk, .blocks = blocks};
  slot.read = false;
  slot.wanted = true;
}

ReadAhead::Piece& ReadAhead::Next() {
  GODWIT_CHECK(!empty());
  Slot& slot = slots_[first_];
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&slot.read));
  return slot.piece;
}

void ReadAhead::Done() {
  first_ = (first_ + 1) % kDepth;
  --begun_;
}

void ReadAhead::Clear() {
  while (!empty()) {
    Next();
    Done();
  }
}

void ReadAhead::Loop() {
  for (std::size_t at = 0;; at = (at + 1) % kDepth) {
    Slot& slot = slots_[at];
    {
      absl::MutexLock lock(&mutex_);
      const auto work = [&] { return stopping_ || slot.wanted; };
      mutex_.Await(absl::Condition(&work));
      if (stopping_) return;
    }
    Read(slot.piece, slot.buffer->bytes());
    absl::MutexLock lock(&mutex_);
    slot.wanted = false;
    slot.read = true;
  }
}

}  // namespace godwit::agent
