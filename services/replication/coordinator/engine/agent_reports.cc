#include "services/replication/coordinator/engine/agent_reports.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/engine/verifications.h"
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
// Rows of differences that are logged of one heartbeat.
constexpr std::int64_t kMostLogged = 20;

absl::Status NotInService(const std::string& id) {
  return absl::PermissionDeniedError(absl::StrCat(
      "sourceServers/", id, " is not in service: its agent was removed or its identity revoked"));
}

// The report, with what only follows from the row before.
Server Merge(const Server& before, const AgentReport& report, const Found& found) {
  const Server& reported = report.server;
  Server out = reported;
  out.id = before.id;
  out.agent_released = report.released || before.agent_released;
  out.verified_time = before.verified_time;
  out.difference_count = before.difference_count;
  out.agent_difference_count = before.agent_difference_count;
  out.differences = before.differences;
  if (report.verification) TakeOver(*report.verification, found, before.now, out);
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

// Damage must be seen, also when nobody asked for a comparison.
void LogDifferences(const std::string& server, const Found& found) {
  const auto rows = static_cast<std::int64_t>(found.rows.size());
  const std::int64_t least = std::max<std::int64_t>(rows - kMostLogged, 0);
  for (std::int64_t i = least; i < rows; ++i) {
    const Difference& row = found.rows[static_cast<std::size_t>(i)];
    Log(Severity::kWarning, "the replica differed from the source",
        {{"server", server},
         {"disk", row.disk_id},
         {"offset_bytes", absl::StrCat(row.offset_bytes)},
         {"size_bytes", absl::StrCat(row.size_bytes)},
         {"found_time", absl::FormatTime(absl::RFC3339_full, row.found_time, absl::UTCTimeZone())},
         {"cause", CauseWord(row.cause)}});
  }
  const std::int64_t rest = found.count - (rows - least);
  if (rest > 0) {
    Log(Severity::kWarning, "the replica differed from the source in more blocks",
        {{"server", server}, {"count", absl::StrCat(rest)}});
  }
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
  LogDifferences(report.server.id, answer.found);
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
  if (report.verification) answer->found = NewDifferences(before, *report.verification);
  RETURN_IF_ERROR(store::SaveReport(connection, Merge(before, report, answer->found)));
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
  // Nothing can be compared and no fresh point sent while a window pauses: orders wait.
  const bool able = answer->action == Action::kReplicate && !answer->settings.bandwidth.paused;
  ASSIGN_OR_RETURN(
      answer->verify_order,
      AdvanceVerification(connection, before.id,
                          {.now = before.now,
                           .silence = before.now - before.agent_seen_time.value_or(before.now),
                           .able = able,
                           .report = report.verification,
                           .found = answer->found}));
  if (!able) return absl::OkStatus();
  ASSIGN_OR_RETURN(answer->point_order, store::NextPointRequest(connection, before.id));
  if (answer->point_order && answer->point_order->state == store::RequestState::kWaiting) {
    RETURN_IF_ERROR(store::MarkCutting(connection, answer->point_order->id));
  }
  return absl::OkStatus();
}

}  // namespace godwit::coordinator
