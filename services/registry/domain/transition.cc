#include "services/registry/domain/transition.h"

#include "absl/strings/str_cat.h"

namespace godwit::registry {
namespace {

// A launch status never goes back.
int Rank(LaunchStatus status) {
  switch (status) {
    case LaunchStatus::kNone:
      return 0;
    case LaunchStatus::kPending:
      return 1;
    case LaunchStatus::kInProgress:
      return 2;
    case LaunchStatus::kLaunched:
    case LaunchStatus::kFailed:
      return 3;
    case LaunchStatus::kTerminated:
      return 4;
  }
  return 0;
}

std::optional<Refusal> RefuseFinalize(Profile profile, const SourceServer& server) {
  if (server.last_cutover.job.empty()) {
    return Refusal{"CUTOVER_NOT_LAUNCHED", "no cutover was started for this server",
                   "StartCutover"};
  }
  if (server.lifecycle == Lifecycle::kDisconnected) return std::nullopt;
  if (server.launch_status == LaunchStatus::kPending ||
      server.launch_status == LaunchStatus::kInProgress) {
    return Refusal{"LAUNCH_UNDER_WAY",
                   absl::StrCat("the launch of the cutover machine has not ended (jobs/",
                                server.launch_job, "); wait for it"),
                   "WatchJob"};
  }
  if (profile == Profile::kStrict && server.launch_status != LaunchStatus::kLaunched) {
    return Refusal{"CUTOVER_NOT_LAUNCHED",
                   "there is no launched cutover machine that could take over; revert the cutover "
                   "and start it again",
                   "RevertCutover"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> Refuse(Profile profile, const SourceServer& server, Event event) {
  if (!Next(profile, server.lifecycle, event)) {
    const Advice advice = AdviseFor(profile, server.lifecycle, event);
    return Refusal{"WRONG_LIFECYCLE_STATE",
                   absl::StrCat(Name(event), " is not possible in state ", Name(server.lifecycle),
                                "; ", advice.text),
                   advice.helpful_call};
  }
  if (event == Event::kFinalizeCutover) return RefuseFinalize(profile, server);
  if (event == Event::kTerminateTargetInstances && server.machine.empty()) {
    return Refusal{"NO_LAUNCHED_MACHINE", "there is no launched machine to terminate", "StartTest"};
  }
  if (event == Event::kStartReplication && server.public_key_hash.empty()) {
    return Refusal{"NO_AGENT", "no agent is enrolled; install it on the machine", ""};
  }
  if (event == Event::kStartReplication && server.identity_revoked) {
    return Refusal{"IDENTITY_REVOKED", "the identity of the agent was revoked", ""};
  }
  return std::nullopt;
}

void Apply(Profile profile, Event event, absl::Time now, const std::string& job,
           SourceServer& server) {
  const Lifecycle before = server.lifecycle;
  server.lifecycle = Next(profile, before, event).value_or(before);
  if (server.lifecycle != before) server.state_time = now;
  switch (event) {
    case Event::kStartTest:
      server.last_test = {.job = job, .initiate = now};
      break;
    case Event::kStartCutover:
      // The lenient way straight from a test accepts the test.
      if (before == Lifecycle::kTesting) server.last_test.finalize = now;
      server.last_cutover = {.job = job, .initiate = now};
      break;
    case Event::kMarkReadyForCutover:
      if (!server.last_test.job.empty()) server.last_test.finalize = now;
      break;
    case Event::kRevertToReadyForTest:
      if (!server.last_test.job.empty()) server.last_test.revert = now;
      break;
    case Event::kRevertCutover:
      server.last_cutover.revert = now;
      break;
    case Event::kFinalizeCutover:
      server.last_cutover.finalize = now;
      break;
    case Event::kArchive:
      server.archived = true;
      break;
    case Event::kUnarchive:
      server.archived = false;
      break;
    default:
      break;
  }
  if (event == Event::kStartTest || event == Event::kStartCutover) {
    server.launch_job = job;
    server.launch_status = LaunchStatus::kPending;
  }
  if (event == Event::kTerminateTargetInstances) server.launch_job = job;
}

bool ApplyLaunchReport(const LaunchReport& report, SourceServer& server) {
  if (report.job != server.launch_job) return false;
  if (report.terminates) {
    if (report.status != LaunchStatus::kTerminated ||
        (server.machine.empty() && server.launch_status == LaunchStatus::kTerminated)) {
      return false;
    }
    server.launch_status = LaunchStatus::kTerminated;
    server.machine.clear();
    return true;
  }
  if (Rank(report.status) < Rank(server.launch_status)) return false;
  const LaunchStatus before = server.launch_status;
  server.launch_status = report.status;
  bool changed = report.status != before;
  if (report.status == LaunchStatus::kLaunched) {
    changed = changed || report.machine != server.machine;
    server.machine = report.machine;
  } else if (before == LaunchStatus::kLaunched && changed) {
    // The job removed what it had launched. One that failed earlier may have left the machine of
    // the launch before: that stays on record until something says that it is gone.
    server.machine.clear();
  }
  return changed;
}

}  // namespace godwit::registry
