#include "services/common/rpc/lifeline.h"

#include <algorithm>

#include "services/common/base/json_log.h"
#include "services/common/base/notify.h"

namespace godwit::rpc {

Lifeline::Lifeline(std::vector<Server*> servers, Options options)
    : servers_(std::move(servers)), options_(std::move(options)) {
  if (options_.ready != nullptr) {
    Ask();
    ready_thread_ = std::thread([this] { ReadyLoop(); });
  }
  if (const auto time = WatchdogTime(); time) {
    // Three answers in the time, so that one slow moment ends nothing.
    alive_thread_ = std::thread([this, pause = *time / 3] { AliveLoop(pause); });
  }
  NotifyManager("READY=1");
}

void Lifeline::Ask() {
  const absl::Status status = options_.ready();
  absl::MutexLock lock(&mutex_);
  if (stopping_ || status.ok() == ready_) return;
  ready_ = status.ok();
  for (Server* const server : servers_) server->SetServing(ready_);
  NotifyManager(ready_ ? "STATUS=serving" : "STATUS=not ready");
  Log(ready_ ? Severity::kInfo : Severity::kWarning, ready_ ? "ready again" : "not ready",
      {{"error", std::string(status.message())}});
}

void Lifeline::ReadyLoop() {
  while (!Sleep(options_.interval)) Ask();
}

void Lifeline::AliveLoop(absl::Duration interval) {
  do {
    absl::Status status;
    for (Server* const server : servers_) status.Update(server->AskItself(interval));
    if (status.ok()) {
      NotifyManager("WATCHDOG=1");
    } else {
      Log(Severity::kError, "the server does not answer itself", {{"error", status.ToString()}});
    }
  } while (!Sleep(interval));
}

bool Lifeline::Sleep(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

void Lifeline::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
    ready_ = false;
  }
  NotifyManager("STOPPING=1");
  for (Server* const server : servers_) server->SetServing(false);
  if (ready_thread_.joinable()) ready_thread_.join();
  if (alive_thread_.joinable()) alive_thread_.join();
}

}  // namespace godwit::rpc
