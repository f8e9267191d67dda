// A writer in a process of its own, which can be killed or stopped at any moment, and what must be
// in the store then. The test program becomes one when GODWIT_STORE_WRITER names a place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/replication/worker/store/store.h"

namespace godwit::store {

// Does operation `number` (from 1 on) to the contents of the disks, and to `group` when there is
// one; always the same for the same number.
absl::Status Operate(std::uint64_t number, std::vector<std::string>& contents, Group* group);

// Opens the group under the generation of GODWIT_STORE_GENERATION and works without end; writes
// what was promised to `log`: "synced N", "committed EPOCH N interim|point", N the number of the
// last operation. Returns when something is refused, after "refused CODE".
int RunWriter(const std::string& place, const std::string& log);

}  // namespace godwit::store
