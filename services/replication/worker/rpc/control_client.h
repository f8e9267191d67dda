// The worker's conversation with the coordinator: registration, leases, orders, points.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "godwit/replication/v1/worker_service.grpc.pb.h"
#include "services/replication/worker/engine/group_host.h"
#include "services/replication/worker/engine/lease_table.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

// Thread-safe. Start() begins, Stop() ends its threads.
class ControlClient {
 public:
  struct Options {
    std::string endpoint;  // where agents reach the block stream
    int max_server_count = 0;
    std::map<std::string, std::string> labels;
    std::string version;
  };
  // Two channels to the same coordinators: heartbeats have one alone, so that the one after a copy
  // that hangs is for the next copy, whatever else is asked meanwhile.
  ControlClient(std::shared_ptr<grpc::Channel> heartbeats,
                std::shared_ptr<grpc::Channel> coordinator, Options options, store::Store& store,
                GroupHost& host, LeaseTable& leases);
  ~ControlClient() { Stop(); }
  void Start();
  // Tells the coordinator that the worker goes, then ends.
  void Stop();

  // Queues the report of a point. Never blocks; a point that cannot be reported now is found in the
  // store at the next start.
  void PointCommitted(const std::string& server, std::int64_t generation,
                      const store::PointFacts& facts);

 private:
  void HeartbeatLoop();
  void OrderLoop();
  void ReportLoop();
  absl::Status Register();
  absl::Status Heartbeat(bool draining);
  void TakeOrders(const replication::v1::WorkerHeartbeatResponse& response);
  replication::v1::ReportOrderRequest CarryOut(const replication::v1::WorkerOrder& order);
  absl::Status CarryOut(const replication::v1::WorkerOrder& order,
                        replication::v1::ReportOrderRequest* report);
  void MeasureLoop();
  void AddSizes(const std::string& server, replication::v1::GroupStatus* group)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The points that are not reported have waited so much longer.
  void CountDatabase(absl::Duration time) ABSL_LOCKS_EXCLUDED(mutex_);
  void RepeatReports(const std::string& server, std::int64_t generation, std::int64_t known_epoch);
  bool Stopping() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_; }
  // True when Stop() was called.
  bool Sleep(absl::Duration duration);

  const std::unique_ptr<replication::v1::WorkerService::Stub> heartbeats_, stub_;
  const Options options_;
  store::Store& store_;
  GroupHost& host_;
  LeaseTable& leases_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::int64_t incarnation_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration lease_duration_ ABSL_GUARDED_BY(mutex_) = absl::Seconds(30);
  std::deque<replication::v1::WorkerOrder> orders_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> known_orders_ ABSL_GUARDED_BY(mutex_);  // queued or running
  std::deque<replication::v1::ReportPointRequest> points_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::int64_t> reported_generation_ ABSL_GUARDED_BY(mutex_);
  // What groups take of the store, as measured last.
  struct Sizes {
    const void* group = nullptr;  // an open one is measured anew
    absl::Duration taken;
    std::int64_t allocated_bytes = 0;
    std::vector<store::PointSize> points;  // not told yet
  };
  std::map<std::string, Sizes> sizes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace godwit::worker
