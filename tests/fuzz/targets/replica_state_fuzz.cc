// The agent's memory of its replica: a damaged file is an empty state.
#include "agent/state/replica_state.h"
#include "services/common/base/check.h"
#include "tests/fuzz/targets/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const godwit::fuzz::MemoryFile file(data, size);
  const godwit::agent::ReplicaState state = godwit::agent::LoadReplicaState(file.path(), "boot");
  GODWIT_CHECK(state.boot_id == "boot");
  GODWIT_CHECK(state.replica_id.size() <= size);
  return 0;
}
