// Gathers the blocks of disks that are to travel first. Whatever is read to find them is among
// them: whoever looks at the copy reads the same places.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/block/block.h"

namespace godwit::agent {

// A disk to pick of.
struct PickedDisk {
  std::uint64_t size_bytes = 0;
  std::uint32_t sector_bytes = 512;
  // Reads the 64 KiB block `block`, of which `out` is as long as it is.
  std::function<absl::Status(std::uint64_t block, block::MutableBytes out)> read;
};

// Bytes of a volume that lie together on a disk: [first, first + size) are at `at` of the disk.
struct Piece {
  std::uint64_t first = 0, size = 0;
  std::uint32_t disk = 0;
  std::uint64_t at = 0;
};
// A disk, a partition or a linear volume; the pieces ascend.
using Volume = std::vector<Piece>;
// The bytes [first, first + size) of a disk.
inline Volume PartOf(std::uint32_t disk, std::uint64_t first, std::uint64_t size) {
  return {{.first = 0, .size = size, .disk = disk, .at = first}};
}
inline std::uint64_t SizeOf(const Volume& volume) {
  return volume.empty() ? 0 : volume.back().first + volume.back().size;
}

// Consecutive blocks of a disk.
struct FirstRun {
  std::uint32_t disk = 0;
  std::uint64_t first = 0, count = 0;
};

// Not thread-safe.
class Picker {
 public:
  struct Limits {
    std::uint64_t bytes = std::uint64_t{1} << 30;
    absl::Duration time = absl::Seconds(5);
    int names = 200'000;  // of files and folders
  };
  Picker(std::vector<PickedDisk> disks, const Limits& limits)
      : disks_(std::move(disks)), limits_(limits), end_(SteadyNow() + limits.time) {}

  const std::vector<PickedDisk>& disks() const { return disks_; }
  // `size` bytes at `offset`. OUT_OF_RANGE: the volume has no such bytes; RESOURCE_EXHAUSTED or
  // DEADLINE_EXCEEDED: a limit is reached, and every later call fails in the same way.
  absl::Status Pick(const Volume& volume, std::uint64_t offset, std::uint64_t size);
  // The same, and their content; at most 1 MiB.
  absl::StatusOr<std::string> Read(const Volume& volume, std::uint64_t offset, std::size_t size);
  // One more file or folder is looked at.
  absl::Status Name();
  // Which limit was reached.
  const absl::Status& spent() const { return spent_; }

  // What was picked since the last call comes after what was before it, and is put in the order of
  // the disks.
  void EndStage();
  // All stages.
  std::vector<FirstRun> Take();

 private:
  using Place = std::pair<std::uint32_t, std::uint64_t>;  // disk, block
  const absl::Status& LookAtClock();
  absl::Status PickBlock(const Place& place);
  absl::StatusOr<const block::AlignedBuffer*> Load(const Place& place);

  const std::vector<PickedDisk> disks_;
  const Limits limits_;
  const absl::Time end_;
  int names_ = 0;
  absl::Status spent_;
  absl::flat_hash_set<Place> picked_;
  std::vector<Place> stage_;
  std::vector<FirstRun> runs_;
  absl::flat_hash_map<Place, std::unique_ptr<block::AlignedBuffer>> loaded_;
  std::deque<Place> load_order_;
};

}  // namespace godwit::agent
