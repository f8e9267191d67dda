// Where a file system has its inodes and what they hold, read from the disk. The bytes are not
// trusted: whatever they say, only Picker's limits and a bounded number of steps are used up.
#pragma once

#include <cstdint>
#include <memory>

#include "agent/boot/picker.h"

namespace godwit::agent {

class InodeMap {
 public:
  virtual ~InodeMap() = default;
  // What mounting it read-only needs, without its journal's content.
  virtual absl::Status PickBase() = 0;
  // The inode, what maps its content and, of folders, links and files of at most `max_file_bytes`,
  // the content. Errors other than those of a reached limit: this inode makes no sense (yet).
  virtual absl::Status PickInode(std::uint64_t inode, std::uint64_t max_file_bytes) = 0;
};

// Steps that one inode may take: blocks that map its content.
inline constexpr int kMaxMapBlocks = 4096;
// No folder is larger.
inline constexpr std::uint64_t kMaxFolderBytes = std::uint64_t{256} << 20;

// `picker` must outlive it. INVALID_ARGUMENT: it is no such file system, or one that is too new.
absl::StatusOr<std::unique_ptr<InodeMap>> MakeExtMap(Picker& picker, Volume volume);
absl::StatusOr<std::unique_ptr<InodeMap>> MakeXfsMap(Picker& picker, Volume volume);

}  // namespace godwit::agent
