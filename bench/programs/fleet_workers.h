// Workers without stores: they hold the leases that they are given, say that all is well, and
// report points now and then, as workers of a quiet fleet do.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "bench/programs/latencies.h"
#include "godwit/replication/v1/worker_service.grpc.pb.h"
#include "services/common/rpc/channel.h"

namespace godwit::bench {

class FleetWorkers {
 public:
  // Each of `tls_dirs` is the certificate of one worker, which takes `servers_each`.
  static absl::StatusOr<std::unique_ptr<FleetWorkers>> Start(
      const std::string& replication, const std::vector<std::string>& tls_dirs, int servers_each);
  ~FleetWorkers();

  // Points a second by all of them together, by turns over the servers.
  void SetPointRate(double rate) { point_rate_ = rate; }
  std::size_t leases() const;
  Latencies& points() { return points_; }
  Latencies& heartbeats() { return heartbeats_; }

 private:
  struct Lease {
    std::int64_t generation = 0, epoch = 0;
  };
  struct Worker {
    std::unique_ptr<replication::v1::WorkerService::Stub> stub;
    std::int64_t incarnation = 0;
    mutable absl::Mutex mutex;
    std::map<std::string, Lease> leases ABSL_GUARDED_BY(mutex);
    std::string last;  // whose point was reported last
    std::jthread beats, reports;
  };
  explicit FleetWorkers(std::size_t count) : count_(count) {}
  absl::Status Register(Worker& worker, int number, int servers_each);
  void Beat(Worker& worker);
  void Report(Worker& worker);
  void KeepBeating(Worker& worker, const std::stop_token& stop);
  void KeepReporting(Worker& worker, const std::stop_token& stop);

  const std::size_t count_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<double> point_rate_ = 0;
  Latencies points_, heartbeats_;
};

}  // namespace godwit::bench
