// Runs leased conversion tasks in the appliance, one at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "services/conversion/appliance/appliance.h"

namespace godwit::conversion {

// Run() is called by one thread; Stop() by any.
class TaskRunner {
 public:
  TaskRunner(std::shared_ptr<grpc::Channel> service, const Appliance& appliance,
             std::string work_folder);
  // Until Stop(): leases, converts, reports. What a killed worker left in the work folder is
  // removed first.
  void Run();
  struct Figures {
    bool connected = false;  // the last request for a task was answered
    bool busy = false;
    std::int64_t succeeded = 0, failed = 0;
    absl::Duration spent;  // on conversions that ended
  };
  Figures figures() const;
  // Ends the running conversion; its task goes back to the queue.
  void Stop();

 private:
  void RunTask(const v1::LeaseTaskResponse& lease);
  // Renews until *done; sets *cancel when the task shall stop or its lease is lost.
  void Renew(const v1::LeaseTaskResponse& lease, const std::atomic<bool>& done,
             std::atomic<bool>* cancel, std::atomic<bool>* lost);
  bool Sleep(absl::Duration duration);

  const std::unique_ptr<v1::ConversionWorkerService::Stub> stub_;
  const Appliance& appliance_;
  const std::string work_folder_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> cancel_{false};
  mutable absl::Mutex mutex_;
  std::string message_ ABSL_GUARDED_BY(mutex_);
  Figures figures_ ABSL_GUARDED_BY(mutex_);
  grpc::ClientContext* asking_ ABSL_GUARDED_BY(mutex_) = nullptr;  // for a task; may take long
};

}  // namespace godwit::conversion
