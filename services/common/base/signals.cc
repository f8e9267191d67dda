#include "services/common/base/signals.h"

#include <errno.h>
#include <signal.h>

namespace godwit {
namespace {

sigset_t ShutdownSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void BlockShutdownSignals() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t set = ShutdownSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool WaitForShutdownSignal(absl::Duration timeout) {
  const sigset_t set = ShutdownSet();
  if (timeout == absl::InfiniteDuration()) {
    while (true) {
      if (sigwaitinfo(&set, nullptr) > 0) return true;
      if (errno != EINTR) return false;
    }
  }
  const timespec wait = absl::ToTimespec(timeout);
  return sigtimedwait(&set, nullptr, &wait) > 0;
}

}  // namespace godwit
