// Agents report and ask what to do.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/domain/replication_state.h"
#include "services/replication/coordinator/domain/verification.h"
#include "services/replication/coordinator/engine/ports.h"
#include "services/replication/coordinator/store/point_request_store.h"
#include "services/replication/coordinator/store/point_store.h"

namespace godwit::coordinator {

// The fields of `server` that an agent reports (agent_seen_time to agent_cause, disks) are filled.
struct AgentReport {
  Server server;
  bool released = false;
  struct Point {
    std::string request_id;
    bool failed = false;
    std::string error_message;
    std::optional<absl::Time> quiesce_time;
  };
  std::optional<Point> point;
  std::optional<AgentVerification> verification;
};

struct AgentAnswer {
  Action action = Action::kWait;
  Server server;  // worker_id, worker_endpoint and generation count with kReplicate
  std::optional<store::PointRequest> point_order;
  std::string verify_order;  // its id; empty: none
  Found found;               // differences that were not reported before
  Settings settings;
  absl::Duration heartbeat_interval = absl::Seconds(1);
};

// Thread-safe.
class AgentReports {
 public:
  // All must outlive it.
  AgentReports(pg::Pool& pool, Registry& registry, DecodeSettings decode)
      : pool_(pool), registry_(registry), decode_(std::move(decode)) {}

  // PERMISSION_DENIED: revoked or not in service. UNAVAILABLE: the database is away.
  absl::StatusOr<AgentAnswer> Heartbeat(const AgentReport& report);

  // So many servers replicate; agents of a large fleet are heard of less often.
  void SetFleetSize(std::int64_t servers) { fleet_size_ = servers; }

 private:
  absl::Status Save(pg::Connection& connection, const AgentReport& report,
                    const absl::StatusOr<ServerFacts>& facts, AgentAnswer* answer);
  absl::Duration Interval() const;

  pg::Pool& pool_;
  Registry& registry_;
  const DecodeSettings decode_;
  std::atomic<std::int64_t> fleet_size_ = 0;
};

// Judges a locked server and saves the outcome.
absl::Status JudgeAndSave(pg::Connection& connection, Server& server, bool reported);

}  // namespace godwit::coordinator
