// Freezes the source's file systems for a moment. A child process, forked before any thread exists,
// thaws them when the budget is over or when the agent dies.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/file.h"

namespace godwit::agent {

// A mounted file system on one of the replicated disks.
struct MountedFileSystem {
  std::string device;  // "major:minor"
  std::string mount_point;
  std::string type;
};

// Those of /proc/self/mountinfo (`mountinfo`: its text) that are writable and on a device of
// `devices` ("major:minor" of disks and their partitions), one for each device, the deepest mount
// points first.
std::vector<MountedFileSystem> FileSystemsOn(const std::string& mountinfo,
                                             const std::vector<std::string>& devices);

// Not thread-safe.
class Freezer {
 public:
  // Call before any thread is started.
  static absl::StatusOr<std::unique_ptr<Freezer>> Start();
  ~Freezer();
  // Writes dirty pages back, so that the freeze is short.
  static void Sync(const std::vector<MountedFileSystem>& file_systems);

  // From Freeze to Thaw nothing is written to the file systems. They are thawed by themselves after
  // `budget`. File systems that cannot be frozen (vfat) are synced instead; *all_frozen says
  // whether there were none.
  absl::Status Freeze(const std::vector<MountedFileSystem>& file_systems, absl::Duration budget,
                      bool* all_frozen);
  // How long they were frozen. DEADLINE_EXCEEDED: the budget was over before, so what was read
  // since is worth nothing.
  absl::StatusOr<absl::Duration> Thaw();

 private:
  Freezer(pid_t child, Fd socket) : child_(child), socket_(std::move(socket)) {}
  const pid_t child_;
  const Fd socket_;
  std::vector<Fd> frozen_;
  absl::Time since_;
};

}  // namespace godwit::agent
