// The blocks that travel before all others (agent/boot/plan.h): which of them are to be sent or
// compared next, and whether they are at the worker. Each is sent early once; what changes later is
// sent in its turn, like any other block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/boot/picker.h"
#include "agent/engine/source_disk.h"

namespace godwit::agent {

// Not thread-safe: the engine's mutex guards it.
class FirstBlocks {
 public:
  using Disks = std::vector<std::unique_ptr<SourceDisk>>;

  // In place of what was wanted before; blocks that a disk does not have are left out.
  void Want(const std::vector<FirstRun>& runs, const Disks& disks);
  // A new session: what was on its way, or asked, is not any more.
  void Restart();

  // The next blocks to send, at most `most` consecutive ones, and their disk; empty: none now. They
  // count as sent.
  BlockGroup NextToSend(const Disks& disks, std::uint32_t most, std::uint32_t* disk);
  // The next blocks to compare, at most `limit` consecutive ones; 0: none now. They count as asked.
  std::uint64_t NextToCompare(const Disks& disks, std::uint64_t limit, std::uint32_t* disk,
                              std::uint64_t* first);
  // Looks which are there, and begins anew with the others. True: now all are, for the first time.
  bool Sweep(const Disks& disks, absl::Time now);

  std::uint64_t wanted() const { return wanted_; }
  std::uint64_t waiting() const { return entries_.size(); }
  // For people: "12.0 of 80.5 MiB are there"; empty: nothing was wanted yet.
  std::string Text() const;

 private:
  struct Entry {
    std::uint32_t disk = 0;
    std::uint64_t block = 0;
    bool sent = false, asked = false;
  };
  std::vector<Entry> entries_;  // that are not there
  std::size_t send_at_ = 0, compare_at_ = 0;
  std::uint64_t wanted_ = 0;
  absl::Time complete_ = absl::InfiniteFuture();
};

}  // namespace godwit::agent
