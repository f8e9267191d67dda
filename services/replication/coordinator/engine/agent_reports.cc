#include "services/replication/coordinator/engine/agent_reports.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/engine/verifications.h"
#include "services/replication/coordinator/store/report_batch.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator {
namespace {

// One coordinator takes about so many heartbeats a second with ease.
constexpr std::int64_t kHeartbeatsPerSecond = 1000;
constexpr absl::Duration kLeastInterval = absl::Seconds(1);
constexpr absl::Duration kMostInterval = absl::Seconds(10);
constexpr absl::Duration kSoonest = absl::Milliseconds(100);
// A batch of heartbeats may take.
constexpr absl::Duration kTogether = absl::Seconds(5);
// Rows of differences that are logged of one heartbeat.
constexpr std::int64_t kMostLogged = 20;

absl::Status NotInService(const std::string& id) {
  return absl::PermissionDeniedError(absl::StrCat(
      "sourceServers/", id, " is not in service: its agent was removed or its identity revoked"));
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

void LogChange(const Server& before, const Verdict& verdict) {
  Log(Severity::kInfo, "replication state",
      {{"server", before.id},
       {"from", absl::StrCat(static_cast<int>(before.state))},
       {"to", absl::StrCat(static_cast<int>(verdict.state))},
       {"cause", absl::StrCat(static_cast<int>(verdict.cause))},
       {"error", verdict.message}});
}

// What follows from a report on a locked row, when nothing but the row is needed to judge it.
std::optional<store::Reported> Judged(const Server& before, const AgentReport& report,
                                      const absl::StatusOr<ServerFacts>& facts) {
  if (report.released || before.agent_released || report.point) return std::nullopt;
  if (facts.ok() && facts->settings != before.settings) return std::nullopt;
  if (!SameDisks(before, report.server)) return std::nullopt;
  Found found;
  if (report.verification) found = NewDifferences(before, *report.verification);
  if (found.count > 0) return std::nullopt;
  store::Reported out{.server = AfterReport(before, report, found), .attempt = WasSilent(before)};
  if (out.attempt) out.server.attempt_time = before.now;
  const Verdict verdict = Judge(out.server);
  out.changed = verdict.state != before.state || verdict.cause != before.stall_cause;
  if (out.changed) LogChange(before, verdict);
  out.server.state = verdict.state;
  out.server.stall_cause = verdict.cause;
  out.server.error_message = verdict.message;
  out.server.transferring = verdict.transferring;
  out.flowing = DataFlows(out.server);
  out.disks_progress = before.disks != report.server.disks;
  return out;
}

}  // namespace

absl::Status JudgeAndSave(pg::Connection& connection, Server& server, bool reported) {
  const Verdict verdict = Judge(server);
  if (verdict.state != server.state || verdict.cause != server.stall_cause) {
    LogChange(server, verdict);
  }
  return store::SaveVerdict(connection, server, verdict.state, verdict.cause, verdict.message,
                            verdict.transferring, reported && DataFlows(server));
}

absl::Duration AgentReports::Interval(const AgentAnswer& answer) const {
  const absl::Duration of_fleet =
      absl::Seconds(1) * static_cast<double>(fleet_size_) / kHeartbeatsPerSecond;
  // A window that begins or ends is heard of when it does.
  const absl::Duration steady = answer.settings.bandwidth.until - answer.server.now;
  return std::min(std::clamp(of_fleet, kLeastInterval, kMostInterval), std::max(steady, kSoonest));
}

absl::StatusOr<AgentAnswer> AgentReports::Heartbeat(const AgentReport& report) {
  ASSIGN_OR_RETURN(std::optional<AgentAnswer> answer, SaveTogether({&report})[0]);
  if (answer) return *std::move(answer);
  return SaveAlone(report);
}

absl::StatusOr<AgentAnswer> AgentReports::SaveAlone(const AgentReport& report) {
  const absl::StatusOr<ServerFacts> facts = registry_.Describe({report.server.id})[0];
  if (facts.ok() && facts->revoked) return NotInService(report.server.id);
  AgentAnswer answer;
  const absl::Status saved = pool_.InTransaction([&](pg::Transaction& transaction) {
    answer = AgentAnswer();
    return Save(transaction.connection(), report, facts, &answer);
  });
  answer.heartbeat_interval = Interval(answer);
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

std::vector<AgentReports::Saved> AgentReports::SaveTogether(
    const std::vector<const AgentReport*>& reports) {
  const DeadlineScope scope(kTogether);
  std::map<std::string, std::size_t> first;  // of each server; another one comes after it
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const std::string& id = reports[i]->server.id;
    if (first.try_emplace(id, i).second) ids.push_back(id);
  }
  const std::vector<absl::StatusOr<ServerFacts>> facts = registry_.Describe(ids);
  std::vector<Saved> refused(reports.size(), std::nullopt);
  std::vector<std::string> served;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (facts[i].ok() && facts[i]->revoked) {
      refused[first[ids[i]]] = NotInService(ids[i]);
    } else {
      served.push_back(ids[i]);
    }
  }
  std::map<std::string, const absl::StatusOr<ServerFacts>*> facts_of;
  for (std::size_t i = 0; i < ids.size(); ++i) facts_of[ids[i]] = &facts[i];

  std::vector<Saved> out;
  const absl::Status saved = pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    out = refused;
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(const std::vector<Server> servers, store::LockFreeServers(connection, served));
    ASSIGN_OR_RETURN(const std::set<std::string> ordered, store::WithOrders(connection, served));
    std::vector<store::Reported> rows;
    for (const Server& before : servers) {
      const std::size_t i = first[before.id];
      if (ordered.contains(before.id)) continue;
      std::optional<store::Reported> row = Judged(before, *reports[i], *facts_of[before.id]);
      if (!row) continue;
      AgentAnswer answer{.action = ActionFor(row->server),
                         .server = row->server,
                         .settings = decode_(row->server.settings, row->server.now)};
      answer.heartbeat_interval = Interval(answer);
      out[i] = std::move(answer);
      rows.push_back(*std::move(row));
    }
    return store::SaveReports(connection, rows);
  });
  if (saved.ok()) return out;
  // What stood in the way may have been one of them: each tries by itself.
  for (Saved& one : refused) {
    if (one.ok() && absl::IsUnavailable(saved)) one = saved;
  }
  return refused;
}

absl::Status AgentReports::Save(pg::Connection& connection, const AgentReport& report,
                                const absl::StatusOr<ServerFacts>& facts, AgentAnswer* answer) {
  ASSIGN_OR_RETURN(const Server before, store::LockServer(connection, report.server.id));
  if (facts.ok() && facts->settings != before.settings) {
    RETURN_IF_ERROR(
        store::SaveSettings(connection, before.id, facts->settings, facts->worker_labels));
  }
  if (WasSilent(before)) {
    RETURN_IF_ERROR(store::BeginAttempt(connection, before.id));
  }
  if (report.verification) answer->found = NewDifferences(before, *report.verification);
  RETURN_IF_ERROR(store::SaveReport(connection, AfterReport(before, report, answer->found)));
  if (!before.worker_id.empty() && !SameDisks(before, report.server)) {
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
