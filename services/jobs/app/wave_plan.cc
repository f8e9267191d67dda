#include "services/jobs/app/wave_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

using Lifecycle = FleetServer::Lifecycle;
using Launch = FleetServer::Launch;

WaveFinding Blocker(std::string reason, std::string message) {
  return {.blocks = true, .reason = std::move(reason), .message = std::move(message)};
}
WaveFinding Warning(std::string reason, std::string message) {
  return {.blocks = false, .reason = std::move(reason), .message = std::move(message)};
}

bool UnderWay(const FleetServer& server) {
  return server.launch == Launch::kPending || server.launch == Launch::kInProgress;
}

const char* CallOf(WaveKind kind) {
  switch (kind) {
    case WaveKind::kTest:
      return "StartTest";
    case WaveKind::kMarkReady:
      return "MarkReadyForCutover";
    case WaveKind::kCutover:
      return "StartCutover";
    case WaveKind::kFinalize:
      return "FinalizeCutover";
  }
  return "";
}

// What would make the kind possible.
const char* WayOut(WaveKind kind, Lifecycle lifecycle) {
  if (kind == WaveKind::kTest &&
      (lifecycle == Lifecycle::kReadyForCutover || lifecycle == Lifecycle::kCuttingOver)) {
    return "revert it first";
  }
  switch (lifecycle) {
    case Lifecycle::kPendingInstallation:
      return "install the agent on the machine";
    case Lifecycle::kNotReady:
      return "wait until the initial sync is done";
    case Lifecycle::kStopped:
    case Lifecycle::kDiscovered:
      return "start its replication";
    case Lifecycle::kReadyForTest:
    case Lifecycle::kTesting:
      return kind == WaveKind::kCutover ? "mark it ready first" : "start its cutover first";
    case Lifecycle::kReadyForCutover:
      return "start its cutover first";
    default:
      return "take it out of the wave";
  }
}

bool Fits(WaveKind kind, Lifecycle lifecycle) {
  switch (kind) {
    case WaveKind::kTest:
    case WaveKind::kMarkReady:
      return lifecycle == Lifecycle::kReadyForTest || lifecycle == Lifecycle::kTesting;
    case WaveKind::kCutover:
      return lifecycle == Lifecycle::kReadyForCutover || lifecycle == Lifecycle::kReadyForTest ||
             lifecycle == Lifecycle::kTesting;
    case WaveKind::kFinalize:
      return lifecycle == Lifecycle::kCuttingOver;
  }
  return false;
}

void LookAtLifecycle(WaveKind kind, const FleetServer& server, std::vector<WaveFinding>& out) {
  if (kind == WaveKind::kCutover && server.lifecycle == Lifecycle::kCuttingOver) {
    out.push_back(Blocker("WRONG_LIFECYCLE_STATE",
                          "its cutover was started and has no launched machine; revert it first"));
    return;
  }
  if (!Fits(kind, server.lifecycle)) {
    out.push_back(
        Blocker("WRONG_LIFECYCLE_STATE",
                absl::StrCat(CallOf(kind), " is not possible in state ", server.lifecycle_word,
                             "; ", WayOut(kind, server.lifecycle))));
    return;
  }
  if (kind == WaveKind::kCutover && server.lifecycle != Lifecycle::kReadyForCutover) {
    out.push_back(Warning("NOT_MARKED_READY",
                          absl::StrCat("it is ", server.lifecycle_word,
                                       ": a registry with the strict profile refuses; mark the "
                                       "wave ready first")));
  }
  if (kind == WaveKind::kMarkReady && server.lifecycle == Lifecycle::kReadyForTest) {
    out.push_back(Warning("NEVER_TESTED", "it was not tested since its last revert"));
  }
  if (kind == WaveKind::kMarkReady && server.launch == Launch::kFailed) {
    out.push_back(Warning("TEST_FAILED", "its last launch failed"));
  }
  if (kind == WaveKind::kFinalize && server.launch != Launch::kLaunched) {
    out.push_back(Blocker("NOT_LAUNCHED",
                          "there is no launched cutover machine that could take over; revert the "
                          "cutover and start it again"));
  }
  if (kind == WaveKind::kFinalize && !server.blocking_action.empty()) {
    out.push_back(
        Blocker("POST_LAUNCH_ACTION_FAILED",
                absl::StrCat("post-launch action ", server.blocking_action,
                             " must succeed and failed; mend its cause and cut over again")));
  }
}

PlannedServer PlanServer(WaveKind kind, const FleetServer& server,
                         const std::map<std::string, std::string>& jobs) {
  PlannedServer out{.id = server.id, .hostname = server.hostname};
  if (AlreadyDone(kind, server)) {
    out.already_done = true;
    if (kind == WaveKind::kCutover) out.done_job = server.last_cutover_job;
    return out;
  }
  const auto job = jobs.find(server.id);
  if (job != jobs.end()) {
    out.findings.push_back(Blocker("JOB_UNDER_WAY", absl::StrCat("jobs/", job->second,
                                                                 " is under way; wait for it or "
                                                                 "cancel it")));
  } else if (UnderWay(server)) {
    out.findings.push_back(Blocker("JOB_UNDER_WAY", "a launch is under way; wait for it"));
  }
  LookAtLifecycle(kind, server, out.findings);
  if (Launches(kind) && server.identity_revoked) {
    out.findings.push_back(Warning("IDENTITY_REVOKED",
                                   "the identity of its agent was revoked: there will be no fresh "
                                   "point"));
  }
  if (Launches(kind) && !server.replication_problem.empty()) {
    out.findings.push_back(Warning(
        "REPLICATION_STALLED", absl::StrCat("its replication is ", server.replication_problem)));
  }
  return out;
}

absl::Status CheckNames(const WaveRequest& request, const FleetWave& wave) {
  for (std::size_t i = 0; i < request.groups.size(); ++i) {
    const GroupRequest& wanted = request.groups[i];
    const auto found = std::find_if(
        wave.applications.begin(), wave.applications.end(),
        [&](const FleetApplication& application) { return application.id == wanted.wish.id; });
    if (found == wave.applications.end()) {
      return absl::InvalidArgumentError(absl::StrCat("options.groups[", i,
                                                     "].application: ", "applications/",
                                                     wanted.wish.id, " is not in this wave"));
    }
    for (std::size_t c = 0; c < wanted.checks.size(); ++c) {
      const std::string& server = wanted.checks[c].server;
      if (server.empty() ||
          std::any_of(found->servers.begin(), found->servers.end(),
                      [&](const FleetServer& other) { return other.id == server; })) {
        continue;
      }
      return absl::InvalidArgumentError(absl::StrCat("options.groups[", i, "].checks[", c,
                                                     "].source_server: ", server,
                                                     " is not in this application"));
    }
  }
  return absl::OkStatus();
}

void LookAtWhole(const WaveRequest& request, const FleetWave& wave, WavePlan* plan) {
  if (wave.archived) {
    plan->findings.push_back(Blocker("ARCHIVED", "the wave is archived; unarchive it first"));
  }
  std::size_t servers = 0;
  for (const PlannedGroup& group : plan->groups) {
    servers += group.servers.size();
    if (request.options.max_machines != 0 && !group.checks.empty() &&
        static_cast<int>(group.servers.size()) > request.options.max_machines) {
      plan->findings.push_back(
          Blocker("TOO_FEW_MACHINES",
                  absl::StrCat(group.display_name, " has ", group.servers.size(),
                               " servers whose machines the checks of its gate need at once; "
                               "max_machines is ",
                               request.options.max_machines)));
    }
  }
  if (servers == 0) {
    plan->findings.push_back(
        Blocker("EMPTY", "the wave has no servers; put applications with servers into it"));
  }
}

}  // namespace

bool PlannedServer::blocked() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const WaveFinding& finding) { return finding.blocks; });
}

int WavePlan::blocked_servers() const {
  int count = 0;
  for (const PlannedGroup& group : groups) {
    count += static_cast<int>(
        std::count_if(group.servers.begin(), group.servers.end(),
                      [](const PlannedServer& server) { return server.blocked(); }));
  }
  return count;
}

bool AlreadyDone(WaveKind kind, const FleetServer& server) {
  switch (kind) {
    case WaveKind::kTest:
      return false;
    case WaveKind::kMarkReady:
      return server.lifecycle == Lifecycle::kReadyForCutover ||
             server.lifecycle == Lifecycle::kCuttingOver || server.lifecycle == Lifecycle::kCutover;
    case WaveKind::kCutover:
      return server.lifecycle == Lifecycle::kCutover ||
             (server.lifecycle == Lifecycle::kCuttingOver && server.launch == Launch::kLaunched);
    case WaveKind::kFinalize:
      return server.lifecycle == Lifecycle::kCutover;
  }
  return false;
}

absl::StatusOr<WavePlan> MakePlan(const WaveRequest& request, const FleetWave& wave,
                                  const std::map<std::string, std::string>& jobs) {
  RETURN_IF_ERROR(CheckNames(request, wave));
  WavePlan plan{.kind = request.kind,
                .wave = wave.id,
                .wave_name = wave.display_name,
                .options = request.options};
  std::map<std::string, const FleetApplication*> applications;
  std::map<std::string, const GroupRequest*> wanted;
  for (const GroupRequest& group : request.groups) wanted[group.wish.id] = &group;
  std::vector<GroupWish> wishes;
  for (const FleetApplication& application : wave.applications) {
    applications[application.id] = &application;
    GroupWish wish;
    if (const auto asked = wanted.find(application.id); asked != wanted.end()) {
      wish = asked->second->wish;
    }
    wish.id = application.id;
    wish.name = application.display_name;
    wishes.push_back(std::move(wish));
  }
  absl::StatusOr<std::vector<PlacedGroup>> order = OrderGroups(wishes);
  RETURN_IF_ERROR(Annotate(order.status(), "options.groups"));
  for (const PlacedGroup& placed : *order) {
    const FleetApplication& application = *applications.at(placed.id);
    PlannedGroup group{.application = placed.id,
                       .display_name = application.display_name,
                       .placement = placed.placement,
                       .needs_approval = request.approve_each_group && !plan.groups.empty()};
    if (const auto asked = wanted.find(placed.id); asked != wanted.end()) {
      group.needs_approval = group.needs_approval || asked->second->needs_approval;
      group.checks = asked->second->checks;
      group.check_timeout = asked->second->check_timeout;
    }
    for (const FleetServer& server : application.servers) {
      group.servers.push_back(PlanServer(request.kind, server, jobs));
    }
    plan.groups.push_back(std::move(group));
  }
  LookAtWhole(request, wave, &plan);
  return plan;
}

WaveRun MakeRun(const WavePlan& plan, const std::string& id, const std::string& initiated_by) {
  WaveRun run{.id = id,
              .kind = plan.kind,
              .wave = plan.wave,
              .wave_name = plan.wave_name,
              .initiated_by = initiated_by,
              .options = plan.options};
  for (const PlannedGroup& planned : plan.groups) {
    WaveGroup group{.application = planned.application,
                    .display_name = planned.display_name,
                    .needs_approval = planned.needs_approval,
                    .checks = planned.checks,
                    .check_timeout = planned.check_timeout};
    for (const PlannedServer& server : planned.servers) {
      WaveMember member{.server = server.id, .hostname = server.hostname};
      if (server.already_done) {
        member.state = MemberState::kSucceeded;
        member.reason = "was done before";
        member.job = server.done_job;
      } else if (server.blocked()) {
        member.state = MemberState::kSkipped;
        for (const WaveFinding& finding : server.findings) {
          if (finding.blocks) member.reason = absl::StrCat(finding.reason, ": ", finding.message);
        }
      }
      group.members.push_back(std::move(member));
    }
    run.groups.push_back(std::move(group));
  }
  return run;
}

}  // namespace godwit::jobs
