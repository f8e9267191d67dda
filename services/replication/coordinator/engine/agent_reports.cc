#include "services/replication/coordinator/engine/agent_reports.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator {
namespace {

// One coordinator takes about so many heartbeats a second with ease.
constexpr std::int64_t kHeartbeatsPerSecond = 1000;
constexpr absl::Duration kLeastInterval = absl::Seconds(1);
constexpr absl::Duration kMostInterval = absl::Seconds(10);
constexpr absl::Duration kSoonest = absl::Milliseconds(100);
// Older figures say nothing of the present speed.
constexpr absl::Duration kSpeedGap = absl::Minutes(5);

absl::Status NotInService(const std::string& id) {
  return absl::PermissionDeniedError(absl::StrCat(
      "sourceServers/", id, " is not in service: its agent was removed or its identity revoked"));
}

// The report, with what only follows from the row before.
Server Merge(const Server& before, const Server& reported, bool released) {
  Server out = reported;
  out.id = before.id;
  out.agent_released = released || before.agent_released;
  const bool same_run = before.agent_seen_time && before.boot_id == reported.boot_id &&
                        before.now - *before.agent_seen_time < kSpeedGap;
  out.drain_bytes_per_second =
      same_run ? Smooth(before.drain_bytes_per_second, BacklogBytes(before), BacklogBytes(reported),
                        before.now - *before.agent_seen_time)
               : 0;
  out.idle_time = before.idle_time;
  if (before.generation > 0 && reported.connected_generation == before.generation) {
    if (reported.reported_lag) {
      out.idle_time = before.now - *reported.reported_lag;
    } else if (reported.phase == Phase::kIdle && BacklogBytes(reported) == 0) {
      out.idle_time = before.now;
    }
  }
  return out;
}

// What a worker opens a group with.
bool SameDisks(const std::vector<Disk>& a, const std::vector<Disk>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Disk& x, const Disk& y) {
    return x.disk_id == y.disk_id && x.device_name == y.device_name &&
           x.size_bytes == y.size_bytes && x.is_boot_disk == y.is_boot_disk;
  });
}

}  // namespace

absl::Status JudgeAndSave(pg::Connection& connection, Server& server, bool reported) {
  const Verdict verdict = Judge(server);
  if (verdict.state != server.state || verdict.cause != server.stall_cause) {
    Log(Severity::kInfo, "replication state",
        {{"server", server.id},
         {"from", absl::StrCat(static_cast<int>(server.state))},
         {"to", absl::StrCat(static_cast<int>(verdict.state))},
         {"cause", absl::StrCat(static_cast<int>(verdict.cause))},
         {"error", verdict.message}});
  }
  return store::SaveVerdict(connection, server, verdict.state, verdict.cause, verdict.message,
                            verdict.transferring, reported && DataFlows(server));
}

absl::Duration AgentReports::Interval() const {
  const absl::Duration interval =
      absl::Seconds(1) * static_cast<double>(fleet_size_) / kHeartbeatsPerSecond;
  return std::clamp(interval, kLeastInterval, kMostInterval);
}

absl::StatusOr<AgentAnswer> AgentReports::Heartbeat(const AgentReport& report) {
  const absl::StatusOr<ServerFacts> facts = registry_.Describe(report.server.id);
  if (facts.ok() && facts->revoked) return NotInService(report.server.id);
  AgentAnswer answer;
  const absl::Status saved = pool_.InTransaction([&](pg::Transaction& transaction) {
    answer = AgentAnswer();
    return Save(transaction.connection(), report, facts, &answer);
  });
  // A window that begins or ends is heard of when it does.
  const absl::Duration steady = answer.settings.bandwidth.until - answer.server.now;
  answer.heartbeat_interval = std::min(Interval(), std::max(steady, kSoonest));
  if (absl::IsNotFound(saved)) {
    // The registry may not have started it yet; what is gone there for good has no agent.
    if (absl::IsNotFound(facts.status()) || (facts.ok() && !facts->agent_allowed)) {
      return NotInService(report.server.id);
    }
    return answer;
  }
  RETURN_IF_ERROR(saved);
  return answer;
}

absl::Status AgentReports::Save(pg::Connection& connection, const AgentReport& report,
                                const absl::StatusOr<ServerFacts>& facts, AgentAnswer* answer) {
  ASSIGN_OR_RETURN(const Server before, store::LockServer(connection, report.server.id));
  if (facts.ok() && facts->settings != before.settings) {
    RETURN_IF_ERROR(
        store::SaveSettings(connection, before.id, facts->settings, facts->worker_labels));
  }
  // An agent that comes back after a silence gets its time to connect again.
  if (before.agent_seen_time &&
      before.now - *before.agent_seen_time > StateLimits().agent_silence) {
    RETURN_IF_ERROR(store::BeginAttempt(connection, before.id));
  }
  RETURN_IF_ERROR(store::SaveReport(connection, Merge(before, report.server, report.released)));
  if (!before.worker_id.empty() && !SameDisks(before.disks, report.server.disks)) {
    // The group is opened anew: whoever still writes to the one with the former disks is fenced
    // off.
    Log(Severity::kInfo, "the disks changed",
        {{"server", before.id},
         {"disks_before", absl::StrCat(before.disks.size())},
         {"disks", absl::StrCat(report.server.disks.size())}});
    RETURN_IF_ERROR(store::NewGeneration(connection, before.id));
  }
  if (report.point && report.point->failed) {
    RETURN_IF_ERROR(store::FailPointRequest(
        connection, before.id, report.point->request_id,
        report.point->error_message.empty() ? "the agent gave up" : report.point->error_message));
  } else if (report.point && report.point->quiesce_time) {
    RETURN_IF_ERROR(store::SaveQuiesceTime(connection, before.id, report.point->request_id,
                                           *report.point->quiesce_time));
  }
  ASSIGN_OR_RETURN(answer->server, store::LoadServer(connection, before.id));
  answer->settings = decode_(answer->server.settings, answer->server.now);
  RETURN_IF_ERROR(JudgeAndSave(connection, answer->server, /*reported=*/true));
  answer->action = ActionFor(answer->server);
  if (answer->action != Action::kReplicate) return absl::OkStatus();
  // A fresh point cannot be sent while a window pauses: its request waits.
  if (answer->settings.bandwidth.paused) return absl::OkStatus();
  ASSIGN_OR_RETURN(answer->point_order, store::NextPointRequest(connection, before.id));
  if (answer->point_order && answer->point_order->state == store::RequestState::kWaiting) {
    RETURN_IF_ERROR(store::MarkCutting(connection, answer->point_order->id));
  }
  return absl::OkStatus();
}

}  // namespace godwit::coordinator
