// What systemd hears of a gateway that runs: a ping after the threads that take connections and
// those that answer requests did something each, so that one that is stuck is started again.
#pragma once

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/gateway/http/server.h"
#include "services/gateway/http/worker_pool.h"

namespace godwit::gateway {

// Does nothing when systemd does not watch this process.
class Watchdog {
 public:
  // Both must outlive it.
  Watchdog(HttpServer& server, WorkerPool& pool);
  ~Watchdog();

 private:
  void Run(absl::Duration interval);
  bool Alive(absl::Duration patience);

  HttpServer& server_;
  WorkerPool& pool_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace godwit::gateway
