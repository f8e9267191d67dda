#include "services/gateway/http/watchdog.h"

#include <memory>

#include "absl/synchronization/notification.h"
#include "services/common/base/json_log.h"
#include "services/common/base/notify.h"

namespace godwit::gateway {

Watchdog::Watchdog(HttpServer& server, WorkerPool& pool) : server_(server), pool_(pool) {
  // Three answers in the time, so that one slow moment ends nothing.
  if (const auto time = WatchdogTime(); time) {
    thread_ = std::thread([this, pause = *time / 3] { Run(pause); });
  }
}

Watchdog::~Watchdog() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool Watchdog::Alive(absl::Duration patience) {
  if (!server_.AskItself(patience)) return false;
  const std::uint64_t before = pool_.finished();
  const auto done = std::make_shared<absl::Notification>();
  pool_.Submit([done] { done->Notify(); });
  // Much to do is no reason to be started again: whatever is finished counts.
  return done->WaitForNotificationWithTimeout(patience) || pool_.finished() != before;
}

void Watchdog::Run(absl::Duration interval) {
  for (;;) {
    if (Alive(interval)) {
      NotifyManager("WATCHDOG=1");
    } else {
      Log(Severity::kError, "the gateway does not answer itself");
    }
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) return;
  }
}

}  // namespace godwit::gateway
