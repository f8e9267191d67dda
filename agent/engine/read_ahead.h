// Reads the next blocks of a disk while the ones before are compressed and sent.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/source_disk.h"

namespace godwit::agent {

// Called by one thread; has one of its own.
class ReadAhead {
 public:
  static constexpr std::size_t kDepth = 4;
  struct Piece {
    std::uint32_t index = 0;
    const SourceDisk* disk = nullptr;
    BlockGroup blocks;
    // Of the blocks, one behind the other; valid until Done.
    block::MutableBytes plain;
    absl::Status status;
  };

  ReadAhead();
  ~ReadAhead();

  bool empty() const { return begun_ == 0; }
  bool full() const { return begun_ == kDepth; }
  // Begins to read; not when full. `disk` must outlive the piece.
  void Begin(std::uint32_t index, const SourceDisk& disk, const BlockGroup& blocks);
  // The piece that was begun first, once it was read; not when empty.
  Piece& Next();
  // Of Next.
  void Done();
  // Waits for what was begun and forgets it.
  void Clear();

 private:
  struct Slot {
    Piece piece;
    std::unique_ptr<block::AlignedBuffer> buffer;
    bool wanted = false, read = false;
  };
  void Loop();

  std::size_t begun_ = 0, first_ = 0;  // caller only
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Slot> slots_;  // flags guarded by mutex_; a slot belongs to the thread while wanted
  std::thread thread_;
};

}  // namespace godwit::agent
