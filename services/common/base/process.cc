#include "services/common/base/process.h"

#include <malloc.h>

#include "absl/synchronization/mutex.h"

namespace godwit {

void TuneProcess() {
  // Messages have 1 MiB; what is free at the top beyond this goes back to the system.
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 32 << 20);
  // One arena for each thread would keep that for each of them.
  mallopt(M_ARENA_MAX, 4);
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

}  // namespace godwit
