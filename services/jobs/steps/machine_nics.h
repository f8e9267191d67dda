// MAC addresses of a launched machine, known before it exists: the conversion pins NIC names to
// them.
#pragma once

#include <string>
#include <vector>

#include "services/jobs/domain/job.h"

namespace godwit::jobs {

// One per NIC of the source (at least one, at most 8), in its order: what the settings say, else
// the source's own address (the machine's user-mode network is private to it, so nothing clashes
// and a guest that pins names or licences to addresses finds its own), else one derived from the
// machine.
std::vector<std::string> MachineMacs(const Run& run);

}  // namespace godwit::jobs
