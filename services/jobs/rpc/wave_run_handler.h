// godwit.jobs.v1.WaveRunService over the store and the fleet.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "godwit/jobs/v1/wave_run_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/rpc/serve.h"
#include "services/jobs/app/wave_plan.h"
#include "services/jobs/app/wave_ports.h"

namespace godwit::jobs {

struct WaveRunHandlerOptions {
  int most_watchers = 16;
  absl::Duration watch_poll = absl::Milliseconds(300);
  std::function<void()> wake;   // a run was made or changed
  Clock* clock = &RealClock();  // what runs' times are recorded by; must outlive the handler
};

// `store` and `fleet` must outlive it. Thread-safe.
class WaveRunHandler final : public v1::WaveRunService::Service {
 public:
  WaveRunHandler(WaveStore& store, FleetPort& fleet, WaveRunHandlerOptions options)
      : store_(store), fleet_(fleet), options_(std::move(options)) {}
  // Ends all watches: their callers call again, elsewhere or later.
  void Stop() { stopping_ = true; }

  grpc::Status PlanWaveRun(grpc::ServerContext* context, const v1::PlanWaveRunRequest* request,
                           v1::WaveRunPlan* response) override;
  grpc::Status StartWaveRun(grpc::ServerContext* context, const v1::StartWaveRunRequest* request,
                            v1::WaveRun* response) override;
  grpc::Status GetWaveRun(grpc::ServerContext* context, const v1::GetWaveRunRequest* request,
                          v1::WaveRun* response) override;
  grpc::Status ListWaveRuns(grpc::ServerContext* context, const v1::ListWaveRunsRequest* request,
                            v1::ListWaveRunsResponse* response) override;
  grpc::Status ListWaveRunEvents(grpc::ServerContext* context,
                                 const v1::ListWaveRunEventsRequest* request,
                                 v1::ListWaveRunEventsResponse* response) override;
  grpc::Status WatchWaveRun(grpc::ServerContext* context, const v1::WatchWaveRunRequest* request,
                            grpc::ServerWriter<v1::WaveRun>* writer) override;
  grpc::Status ApproveWaveRun(grpc::ServerContext* context,
                              const v1::ApproveWaveRunRequest* request,
                              v1::WaveRun* response) override;
  grpc::Status ResumeWaveRun(grpc::ServerContext* context, const v1::ResumeWaveRunRequest* request,
                             v1::WaveRun* response) override;
  grpc::Status CancelWaveRun(grpc::ServerContext* context, const v1::CancelWaveRunRequest* request,
                             v1::WaveRun* response) override;

 private:
  absl::StatusOr<WavePlan> Plan(const WaveRequest& request);
  absl::Status Start(const v1::StartWaveRunRequest& request, const std::string& principal,
                     v1::WaveRun* response);
  absl::Status Watch(grpc::ServerContext* context, const rpc::Identity& peer,
                     const std::string& run_id, std::int64_t since,
                     grpc::ServerWriter<v1::WaveRun>* writer);
  // One operator's change. `Request` has name and request_id.
  template <typename Request, typename Decide>
  absl::Status Change(const Request& request, const std::string& etag, const Decide& decide,
                      v1::WaveRun* response);

  WaveStore& store_;
  FleetPort& fleet_;
  const WaveRunHandlerOptions options_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> watchers_{0};
};

}  // namespace godwit::jobs
