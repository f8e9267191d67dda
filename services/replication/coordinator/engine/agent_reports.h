// Agents report and ask what to do.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/domain/replication_state.h"
#include "services/replication/coordinator/engine/agent_report.h"
#include "services/replication/coordinator/engine/ports.h"
#include "services/replication/coordinator/store/point_request_store.h"
#include "services/replication/coordinator/store/point_store.h"

namespace godwit::coordinator {

struct AgentAnswer {
  Action action = Action::kWait;
  Server server;  // worker_id, worker_endpoint and generation count with kReplicate
  std::optional<store::PointRequest> point_order;
  std::string verify_order;  // its id; empty: none
  Found found;               // differences that were not reported before
  Settings settings;
  absl::Duration heartbeat_interval = absl::Seconds(1);
};

// Thread-safe. Blocks while it works; HeartbeatQueue has the threads for it.
class AgentReports {
 public:
  // All must outlive it.
  AgentReports(pg::Pool& pool, Registry& registry, DecodeSettings decode)
      : pool_(pool), registry_(registry), decode_(std::move(decode)) {}

  // nullopt: it is a case for SaveAlone().
  using Saved = absl::StatusOr<std::optional<AgentAnswer>>;
  // Saves in one transaction those that are judged by their own row alone; an answer for each, in
  // their order. Not those that give or end an order, change disks or settings, or whose row
  // somebody else holds.
  // PERMISSION_DENIED: revoked or not in service. UNAVAILABLE: the database is away.
  std::vector<Saved> SaveTogether(const std::vector<const AgentReport*>& reports);
  // Saves one, whatever it says. Errors as above.
  absl::StatusOr<AgentAnswer> SaveAlone(const AgentReport& report);
  // One or the other.
  absl::StatusOr<AgentAnswer> Heartbeat(const AgentReport& report);

  // So many servers replicate; agents of a large fleet are heard of less often.
  void SetFleetSize(std::int64_t servers) { fleet_size_ = servers; }

 private:
  absl::Status Save(pg::Connection& connection, const AgentReport& report,
                    const absl::StatusOr<ServerFacts>& facts, AgentAnswer* answer);
  absl::Duration Interval(const AgentAnswer& answer) const;

  pg::Pool& pool_;
  Registry& registry_;
  const DecodeSettings decode_;
  std::atomic<std::int64_t> fleet_size_ = 0;
};

// Judges a locked server and saves the outcome.
absl::Status JudgeAndSave(pg::Connection& connection, Server& server, bool reported);

}  // namespace godwit::coordinator
