// The disks of this machine as `run` and `disks` see them: found, planned, noted in the
// installation.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "agent/discovery/disk_plan.h"

namespace godwit::agent {

// Where things are.
struct Places {
  std::string sys = "/sys", dev = "/dev";
  std::string state_folder = kStateFolder, run_folder = kRunFolder;
};

// Used by one thread.
class SourceDisks {
 public:
  explicit SourceDisks(Places places) : places_(std::move(places)) {}

  // What is replicated now. Saves what it says of the disks and drops marks that are stale: nobody
  // may be tracking them.
  absl::StatusOr<DiskPlan> Find();
  // The same for looking at. *same: nothing that is replicated changed, so Find need not be called.
  absl::StatusOr<DiskPlan> Look(bool* same);
  // Disks came, went or were resized since Find or Look. Only once nothing changed between two
  // calls: a bus that is being scanned shows many states.
  bool Changed();

 private:
  absl::StatusOr<std::vector<FoundDisk>> Discover();

  const Places places_;
  bool all_kinds_ = false;  // devices are replicated that are found only when they are named
  std::map<std::string, std::string> seen_, last_look_;
};

// The operator says that `disk` is gone; see ForgetDisk. Its id.
absl::StatusOr<std::string> ForgetGoneDisk(const Places& places, const std::string& disk);

}  // namespace godwit::agent
