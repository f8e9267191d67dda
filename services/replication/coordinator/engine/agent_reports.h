// Agents report and ask what to do.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/base/batcher.h"
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

// Thread-safe. Reports that come at the same time and change nothing but figures are saved
// together, in one transaction; what changes a state, or gives or ends an order, has one of its
// own.
class AgentReports {
 public:
  // All must outlive it.
  AgentReports(pg::Pool& pool, Registry& registry, DecodeSettings decode)
      : pool_(pool),
        registry_(registry),
        decode_(std::move(decode)),
        together_([this](const auto& calls) { return SaveTogether(calls); }, kMostTogether,
                  kTransactions) {}

  // PERMISSION_DENIED: revoked or not in service. UNAVAILABLE: the database is away.
  // DEADLINE_EXCEEDED: so many others are saved that the caller's time is over.
  absl::StatusOr<AgentAnswer> Heartbeat(const AgentReport& report);

  // So many servers replicate; agents of a large fleet are heard of less often.
  void SetFleetSize(std::int64_t servers) { fleet_size_ = servers; }

 private:
  static constexpr std::size_t kMostTogether = 256;
  static constexpr int kTransactions = 2;
  struct Call {
    std::shared_ptr<const AgentReport> report;
    absl::StatusOr<ServerFacts> facts;
  };
  // nullopt: it is a case for Save().
  using Saved = absl::StatusOr<std::optional<AgentAnswer>>;
  std::vector<Saved> SaveTogether(const std::vector<const Call*>& calls);
  absl::Status Save(pg::Connection& connection, const AgentReport& report,
                    const absl::StatusOr<ServerFacts>& facts, AgentAnswer* answer);
  absl::Duration Interval() const;

  pg::Pool& pool_;
  Registry& registry_;
  const DecodeSettings decode_;
  std::atomic<std::int64_t> fleet_size_ = 0;
  Batcher<Call, Saved> together_;
};

// Judges a locked server and saves the outcome.
absl::Status JudgeAndSave(pg::Connection& connection, Server& server, bool reported);

}  // namespace godwit::coordinator
