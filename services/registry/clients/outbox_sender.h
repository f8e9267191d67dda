// Takes commands of the outbox to the services they are for: at once when a verb asks, and in the
// background until they are acknowledged. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/registry/storage/outbox.h"

namespace grpc {
class Channel;
}

namespace godwit::registry {

class OutboxSender {
 public:
  struct Options {
    absl::Duration call_timeout = absl::Seconds(10);
    absl::Duration idle_pause = absl::Seconds(1);     // between looks at the table
    absl::Duration least_backoff = absl::Seconds(1);  // doubles with each attempt
    absl::Duration most_backoff = absl::Seconds(60);
  };
  // The pool must outlive it.
  OutboxSender(pg::Pool& pool, std::shared_ptr<grpc::Channel> jobs,
               std::shared_ptr<grpc::Channel> replication, Options options);
  ~OutboxSender();
  void Start();
  void Stop();  // idempotent

  // What became of a command.
  struct Delivery {
    enum class Result { kDelivered, kQueued, kRefused };
    Result result = Result::kQueued;
    std::string answer;    // serialised answer of the receiver; with kDelivered
    absl::Status refusal;  // with kRefused: the launch was undone
  };
  // Tries the command once. kQueued: not now (unreachable, or an earlier one waits); the background
  // goes on trying.
  Delivery DeliverNow(const std::string& id);
  // The serialised job. Any error: not to be had now.
  absl::StatusOr<std::string> FetchJob(const std::string& name);

 private:
  // `patient`: no caller waits, so a refusal that may pass (too many jobs) is no refusal.
  Delivery Deliver(const storage::Command& command, bool patient);
  absl::StatusOr<std::string> Call(const storage::Command& command);
  Delivery Refuse(const storage::Command& command, const absl::Status& status);
  // Delivers what is due. Returns how many commands were tried.
  int DeliverDue();
  void Loop();
  bool Stopping();

  pg::Pool& pool_;
  const std::shared_ptr<grpc::Channel> jobs_;
  const std::shared_ptr<grpc::Channel> replication_;
  const Options options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace godwit::registry
