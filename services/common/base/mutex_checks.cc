#include "services/common/base/mutex_checks.h"

#include "absl/synchronization/mutex.h"

namespace godwit {

void LeaveOutMutexChecks() {
#ifndef GODWIT_FAILPOINTS
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace godwit
