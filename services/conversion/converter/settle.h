// The same conversion of the same disks gives the same bytes: what would differ by chance (the
// time, what the kernel draws by lot) is made to follow from the disks themselves. Exact where all
// file systems are ext2, ext3, ext4 or FAT; see docs/reversible.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/settle_ext.h"
#include "services/conversion/converter/volumes.h"

namespace godwit::convert {

// Not thread-safe. One conversion uses one of them.
class Settling {
 public:
  // Before the file systems are checked, so that checkers write no time of today.
  void BeforeChecks(const std::vector<Volume>& volumes);
  // Before anything else is written: notes what is there.
  void Begin(const std::vector<Volume>& volumes);
  // When all is written and unmounted, before the last check: all that was written since has one
  // time then, that of the newest file before. `added_esp`: a device that is none of the volumes,
  // or "". A volume that could not be settled keeps what it has, and is a finding (NOT_SETTLED).
  void End(const std::vector<Volume>& volumes, const std::string& added_esp,
           std::vector<Finding>* findings) const;

 private:
  std::map<std::string, ExtState> ext_;  // by device
  std::int64_t stamp_ = 0;               // what all times become
  std::int64_t first_ = 0;               // of the clock, at BeforeChecks
};

}  // namespace godwit::convert
