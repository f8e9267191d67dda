// Which disks are replicated, under which ids: what was chosen at installation and what is known of
// the disks, against those that are there now. See docs/disks.md.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/discovery/disks.h"
#include "agent/state/installation.h"

namespace godwit::agent {

// At most so many disks are replicated, none of them smaller than that.
inline constexpr std::size_t kMaxDisks = 50;
inline constexpr std::uint64_t kLeastDiskBytes = std::uint64_t{1} << 20;

struct ReportedDisk {
  FoundDisk disk;
  std::string disk_id;
  bool replicated = false;
  bool missing = false;  // replicated, and not there any more
  std::string reason;    // why it is not replicated
  std::string tracker;   // may be empty
};

struct ResizedDisk {
  std::string device_name, old_id, new_id;
  std::uint64_t old_bytes = 0, new_bytes = 0;
};

struct DiskPlan {
  // Replicated and other ones; the boot disk first, missing ones last.
  std::vector<ReportedDisk> disks;
  // For the installation: to be saved before the ids are used.
  std::vector<KnownDisk> known;
  std::vector<ResizedDisk> resized;
  // Ids whose change marks say nothing of the disks that are there now.
  std::vector<std::string> stale_marks;
  // Why nothing can be replicated, and what to do about it; empty: all disks are there.
  std::string problem;
};

// What FindDisks is to find beside ordinary disks: identities of the disks that are replicated, and
// the names of those that have no better identity.
std::vector<std::string> NamedDevices(const Installation& installation);

DiskPlan PlanDisks(const Installation& installation, const std::vector<FoundDisk>& found);

// The operator says that `disk` (id, device or kernel name) is gone for good: it is taken out of
// the installation. Its id. NOT_FOUND: no such disk is replicated. FAILED_PRECONDITION: it is
// there, it is the boot disk or the only one.
absl::StatusOr<std::string> ForgetDisk(const std::string& disk, const std::vector<FoundDisk>& found,
                                       Installation* installation);

}  // namespace godwit::agent
