// What load balancers, Kubernetes and systemd know of a running server. Two different things:
//
//   ready   gRPC health of "": SERVING while calls can be answered, so not while the database is
//           away, nor while the process ends.
//   alive   gRPC health of "godwit.live": SERVING until the process ends. systemd's watchdog gets
//           its ping only after the server answered a call of its own through the threads that
//           serve all calls: a server that is stuck is started again, one without a database is
//           not.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/rpc/channel.h"

namespace godwit::rpc {

inline constexpr char kLiveService[] = "godwit.live";

// Thread-safe. The servers must outlive it.
class Lifeline {
 public:
  struct Options {
    // Whether calls can be answered now; asked by a thread of its own, must end within seconds.
    // Null: always.
    std::function<absl::Status()> ready;
    absl::Duration interval = absl::Seconds(2);
  };
  // Asks once, then tells systemd that the service is up: one without a database starts, too.
  Lifeline(std::vector<Server*> servers, Options options);
  ~Lifeline() { Stop(); }
  // The process ends: not ready from now on, and systemd knows. Idempotent.
  void Stop();
  bool ready() const { return ready_; }

 private:
  void Ask();
  void ReadyLoop();
  void AliveLoop(absl::Duration interval);
  bool Sleep(absl::Duration duration);

  const std::vector<Server*> servers_;
  const Options options_;
  std::atomic<bool> ready_{true};
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread ready_thread_, alive_thread_;
};

}  // namespace godwit::rpc
