// What must happen without anybody calling: leases end, servers are placed, drained workers are
// emptied, points expire, staging of disconnected servers goes, the registry is told of first
// points, verifications end, replications of deleted servers go. Several coordinators may run;
// placement is one's work at a time.
#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/domain/assignment.h"
#include "services/replication/coordinator/domain/lease_judge.h"
#include "services/replication/coordinator/engine/agent_reports.h"
#include "services/replication/coordinator/engine/ports.h"
#include "services/replication/coordinator/engine/verifications.h"

namespace godwit::coordinator {

// The rounds are public for tests; Start() runs them until Stop().
class Housekeeping {
 public:
  struct Options {
    absl::Duration lease = absl::Seconds(15);
    absl::Duration interval = absl::Seconds(1);
    AssignmentRules assignment;
    // Replications of deleted servers stay for so long after their last change.
    absl::Duration forget_servers_after = absl::Hours(7 * 24);
  };
  // All must outlive it.
  Housekeeping(pg::Pool& pool, Registry& registry, DecodeSettings decode, AgentReports& agents,
               Verifications& verifications, Clock& clock, Options options);
  ~Housekeeping() { Stop(); }
  void Start();
  void Stop();

  // Leases, releases, drain, removal of staging, placement. Leases end only when `may_judge` says
  // so at that moment.
  absl::Status Place(const std::function<bool()>& may_judge);
  // Verdicts of servers whose agent is silent.
  absl::Status JudgeSilent();
  absl::Status ExpirePoints();
  absl::Status DeliverSyncDone();
  absl::Status Forget();

 private:
  absl::Status PlaceLocked(pg::Connection& connection, const std::function<bool()>& may_judge);
  absl::Status Drain(pg::Connection& connection, const std::vector<Worker>& workers);
  absl::Status RemoveStaging(pg::Connection& connection);
  void PlacementLoop();
  void ReportLoop();
  bool Sleep(absl::Duration duration);

  pg::Pool& pool_;
  Registry& registry_;
  const DecodeSettings decode_;
  AgentReports& agents_;
  Verifications& verifications_;
  Clock& clock_;
  const Options options_;
  LeaseJudge judge_;  // placement thread only

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread placement_, reports_;
};

}  // namespace godwit::coordinator
