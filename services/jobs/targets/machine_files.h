// Files of machines that targets share: locks and logs.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

// Serialises what changes a machine, over threads and processes that use the folder `dir`.
// UNAVAILABLE: another call holds it for two minutes.
absl::StatusOr<Fd> LockMachine(const std::string& dir, const std::string& machine_id);

// Machine ids that have a folder in `dir`, in order.
absl::StatusOr<std::vector<std::string>> MachineFolders(const std::string& dir);

// At most `most` bytes of a log from `offset` (negative: from the end); nothing when there is none.
absl::StatusOr<ConsoleChunk> ReadLog(const std::string& path, std::int64_t offset,
                                     std::int64_t most);

}  // namespace godwit::jobs
