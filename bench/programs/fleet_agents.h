// Agents without disks: each has an identity of its own that the registry gave it, a connection of
// its own, and says at its heartbeats what a busy agent says.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "bench/programs/latencies.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "services/common/rpc/channel.h"

namespace godwit::bench {

struct FleetEndpoints {
  std::string enrollment, registry, replication;
  std::string ca;     // PEM
  std::string token;  // for all of them
};

class FleetAgents {
 public:
  explicit FleetAgents(FleetEndpoints endpoints) : endpoints_(std::move(endpoints)) {}
  ~FleetAgents();

  // Enrols until there are so many, `at_once` at a time.
  absl::Status Enrol(std::size_t count, int at_once);
  // Closes all connections.
  void Disconnect();
  // All of them beat once, all at once, connecting where they have to, and again after a second
  // where that failed. Returns how many had no answer within `patience`.
  std::size_t Storm(absl::Duration patience);
  // Heartbeats for that long, so many a second by turns; rate 0: as fast as they are answered with
  // `in_flight` at a time.
  void Beat(double rate, absl::Duration time, int in_flight);

  std::size_t size() const { return agents_.size(); }
  const std::string& name(std::size_t i) const { return agents_[i]->name; }
  // Of the calls since the last call of this.
  Latencies& latencies() { return latencies_; }
  // Agents that were told to replicate at their last heartbeat.
  std::size_t replicating() const;

 private:
  struct Agent {
    std::string name, disk_id;
    rpc::TlsMaterial tls;
    std::unique_ptr<replication::v1::AgentService::Stub> stub;
    std::atomic<bool> answered = false;        // its last heartbeat
    std::atomic<std::int64_t> generation = 0;  // of the lease it was told of
    std::int64_t beats = 0;
  };
  struct HeartbeatCall;

  absl::Status EnrolOne(registry::v1::EnrollmentService::Stub& stub, Agent& agent);
  // Of an agent that is not idle; it is when the answer came.
  void Send(Agent& agent, absl::Duration patience);
  // The one that is idle for longest, which is not idle then; null: there is none.
  Agent* TakeIdle();
  void AwaitAll();

  const FleetEndpoints endpoints_;
  std::vector<std::unique_ptr<Agent>> agents_;
  absl::Mutex mutex_;
  std::deque<Agent*> idle_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int> in_flight_ = 0;
  Latencies latencies_;
};

}  // namespace godwit::bench
