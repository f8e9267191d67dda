// Writing the files of one exported machine.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/common/image/export.h"
#include "services/jobs/targets/export/export_state.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct ExportWork {
  MachineSpec spec;
  std::string dir;  // of the machine
  image::CopyOptions image;
  std::function<void(const std::string&, std::int64_t, std::int64_t)> progress;  // may be null
  // Changes the machine's state durably, when this work's epoch still is the newest; the state
  // afterwards.
  std::function<absl::StatusOr<ExportState>(const std::function<absl::Status(ExportState&)>&)>
      commit;
};

// Writes what `state` does not have yet, one file after the other, and marks it complete.
absl::Status WriteExport(const ExportWork& work, ExportState state);

// Held by whoever works for this epoch. UNAVAILABLE: somebody is at it.
absl::StatusOr<Fd> TryWorkLock(const std::string& dir, std::int64_t epoch);

// Takes away partial files and work locks of other epochs: nothing of theirs counts any more.
void RemoveHalfDone(const std::string& dir, std::int64_t epoch);

}  // namespace godwit::jobs
