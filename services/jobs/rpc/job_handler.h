// godwit.jobs.v1.JobService over the store and the targets.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/rpc/identity.h"
#include "services/jobs/app/job_store.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct JobHandlerOptions {
  std::map<JobType, std::vector<std::string>> step_names;  // of each plan there is
  std::map<std::string, Target*> targets;
  JobQuotas quotas;
  int most_watchers = 32;
  absl::Duration watch_poll = absl::Milliseconds(300);
  std::function<void()> wake;  // a job was created or is to be cancelled
};

// `store` and the targets must outlive it. Thread-safe.
class JobHandler final : public v1::JobService::Service {
 public:
  JobHandler(JobStore& store, JobHandlerOptions options)
      : store_(store), options_(std::move(options)) {}
  // Ends all watches: their callers call again, elsewhere or later.
  void Stop() { stopping_ = true; }

  grpc::Status CreateJob(grpc::ServerContext* context, const v1::CreateJobRequest* request,
                         v1::Job* response) override;
  grpc::Status StartPreflight(grpc::ServerContext* context,
                              const v1::StartPreflightRequest* request, v1::Job* response) override;
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                      v1::Job* response) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::Status CancelJob(grpc::ServerContext* context, const v1::CancelJobRequest* request,
                         v1::Job* response) override;
  grpc::Status DeleteJob(grpc::ServerContext* context, const v1::DeleteJobRequest* request,
                         v1::DeleteJobResponse* response) override;
  grpc::Status ListJobLogItems(grpc::ServerContext* context,
                               const v1::ListJobLogItemsRequest* request,
                               v1::ListJobLogItemsResponse* response) override;
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::Job>* writer) override;
  grpc::Status ReadConsole(grpc::ServerContext* context, const v1::ReadConsoleRequest* request,
                           v1::ReadConsoleResponse* response) override;
  grpc::Status GetScreenshot(grpc::ServerContext* context, const v1::GetScreenshotRequest* request,
                             v1::Screenshot* response) override;

 private:
  absl::Status Create(NewJob job, v1::Job* response);
  absl::Status Watch(grpc::ServerContext* context, const rpc::Identity& peer,
                     const std::string& job_id, std::int64_t since,
                     grpc::ServerWriter<v1::Job>* writer);

  JobStore& store_;
  const JobHandlerOptions options_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> watchers_{0};
};

}  // namespace godwit::jobs
