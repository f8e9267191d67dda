// The text of the report of a verification that succeeded: what is signed. docs/verification.md
// describes it.
#pragma once

#include <string>
#include <vector>

#include "services/replication/coordinator/domain/verification.h"

namespace godwit::coordinator {

struct ReportFacts {
  Verification verification;  // with point_id and root_hash
  std::vector<Disk> disks;    // boot disk first
  std::int64_t epoch = 0;
  absl::Time cut_time;
  int consistency = 0;
  std::string coordinator_version;
  absl::Time end_time;  // of the verification: now
};

// JSON, always the same for the same facts.
std::string ReportText(const ReportFacts& facts);

}  // namespace godwit::coordinator
