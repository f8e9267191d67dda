// ConversionService and ConversionWorkerService over a TaskStore.
#pragma once

#include <atomic>

#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/conversion/service/app/task_store.h"
#include "services/conversion/service/domain/profiles.h"

namespace godwit::conversion {

struct HandlerOptions {
  absl::Duration lease_duration = absl::Seconds(30);
  // How long LeaseTask waits for work.
  absl::Duration lease_wait = absl::Seconds(5);
};

// Leases of other workers are taken only when the service was up for a whole lease: before, their
// holders could not renew. Thread-safe.
class ExpiryGrace {
 public:
  ExpiryGrace(Clock& clock, absl::Duration lease)
      : clock_(clock), over_(clock.Monotonic() + lease) {}
  bool Over() const { return clock_.Monotonic() >= over_; }

 private:
  Clock& clock_;
  const absl::Duration over_;
};

class ConversionHandler final : public v1::ConversionService::Service {
 public:
  ConversionHandler(TaskStore& store, const Profiles& profiles)
      : store_(store), profiles_(profiles) {}
  grpc::Status CreateTask(grpc::ServerContext* context, const v1::CreateTaskRequest* request,
                          v1::ConversionTask* response) override;
  grpc::Status GetTask(grpc::ServerContext* context, const v1::GetTaskRequest* request,
                       v1::ConversionTask* response) override;
  grpc::Status ListTasks(grpc::ServerContext* context, const v1::ListTasksRequest* request,
                         v1::ListTasksResponse* response) override;
  grpc::Status CancelTask(grpc::ServerContext* context, const v1::CancelTaskRequest* request,
                          v1::ConversionTask* response) override;
  grpc::Status ListProfiles(grpc::ServerContext* context, const v1::ListProfilesRequest* request,
                            v1::ListProfilesResponse* response) override;

 private:
  TaskStore& store_;
  const Profiles& profiles_;
};

class ConversionWorkerHandler final : public v1::ConversionWorkerService::Service {
 public:
  ConversionWorkerHandler(TaskStore& store, const ExpiryGrace& grace, HandlerOptions options)
      : store_(store), grace_(grace), options_(options) {}
  grpc::Status LeaseTask(grpc::ServerContext* context, const v1::LeaseTaskRequest* request,
                         v1::LeaseTaskResponse* response) override;
  grpc::Status RenewTask(grpc::ServerContext* context, const v1::RenewTaskRequest* request,
                         v1::RenewTaskResponse* response) override;
  grpc::Status FinishTask(grpc::ServerContext* context, const v1::FinishTaskRequest* request,
                          v1::FinishTaskResponse* response) override;
  // Nobody waits for a task any more; before the server stops.
  void Stop() { stopping_ = true; }

 private:
  std::atomic<bool> stopping_{false};
  TaskStore& store_;
  const ExpiryGrace& grace_;
  const HandlerOptions options_;
};

}  // namespace godwit::conversion
