// The job in QEMU that copies into a disk what it still reads from its backing chain.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/jobs/targets/qemu/qmp.h"

namespace godwit::jobs {

// Begins the job `id` on the disk `node`, unless it is under way.
absl::Status BeginCopy(Qmp& qmp, const std::string& node, const std::string& id);

// Whether the job is over. QEMU lets go of the chain only after what was copied is durable: without
// that, a QEMU that is killed right after it would leave a disk without either.
absl::StatusOr<bool> CopyEnded(Qmp& qmp, const std::string& node, const std::string& id);

}  // namespace godwit::jobs
