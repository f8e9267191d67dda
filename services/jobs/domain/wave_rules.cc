#include "services/jobs/domain/wave_rules.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

using Events = std::vector<WaveEvent>;

template <typename Body>
void ForEachMember(WaveRun& run, const Body& body) {
  for (WaveGroup& group : run.groups) {
    for (WaveMember& member : group.members) body(group, member);
  }
}

template <typename Wanted>
int Count(const WaveRun& run, const Wanted& wanted) {
  int count = 0;
  for (const WaveGroup& group : run.groups) {
    count += static_cast<int>(std::count_if(group.members.begin(), group.members.end(), wanted));
  }
  return count;
}

bool CountsAsFailed(const WaveMember& member) {
  return member.state == MemberState::kFailed && !member.left_behind;
}
bool HasMachine(const WaveMember& member) {
  return InFlight(member.state) || member.state == MemberState::kProven;
}

bool AnyIn(const WaveGroup& group, bool (*wanted)(MemberState)) {
  return std::any_of(group.members.begin(), group.members.end(),
                     [&](const WaveMember& member) { return wanted(member.state); });
}

void Enter(WaveRun& run, WaveState state, std::string reason, absl::Time now) {
  if (run.state != state) run.state_time = now;
  run.state = state;
  run.reason = std::move(reason);
  if (Ended(state)) run.end_time = now;
}

// Chooses the next members of the group, as many as may be under way at once.
void StartMembers(WaveRun& run, WaveGroup& group, absl::Time now) {
  int under_way = Count(run, [](const WaveMember& m) { return InFlight(m.state); });
  int machines = Count(run, HasMachine);
  for (WaveMember& member : group.members) {
    if (member.state != MemberState::kWaiting) continue;
    if (under_way >= run.options.max_parallel_servers) return;
    if (run.options.max_machines != 0 && machines >= run.options.max_machines) return;
    member.state = MemberState::kStarting;
    member.reason.clear();
    member.start_time = now;
    member.end_time.reset();
    ++under_way;
    ++machines;
  }
}

void Stop(WaveRun& run, WaveGroup& group, const std::string& reason, absl::Time now,
          Events& events) {
  group.state = GroupState::kFailed;
  group.reason = reason;
  Enter(run, WaveState::kStopped, absl::StrCat(group.display_name, ": ", reason), now);
  events.push_back(
      {.type = WaveEventType::kGateFailed, .application = group.application, .message = reason});
  events.push_back({.type = WaveEventType::kRunStopped, .message = run.reason});
}

// True when the group has begun; else the run waits for an operator.
bool Begin(WaveRun& run, WaveGroup& group, absl::Time now, Events& events) {
  if (group.needs_approval && group.approved_by.empty()) {
    Enter(run, WaveState::kWaitingForApproval,
          absl::StrCat(group.display_name, " waits for approval"), now);
    events.push_back({.type = WaveEventType::kApprovalNeeded,
                      .application = group.application,
                      .message = run.reason});
    return false;
  }
  group.state = GroupState::kRunning;
  group.start_time = now;
  events.push_back({.type = WaveEventType::kGroupStarted,
                    .application = group.application,
                    .message = absl::StrCat(group.members.size(), " servers")});
  return true;
}

// True when the gate's checks hold or there are none.
bool ChecksHold(const WaveRun& run, WaveGroup& group, absl::Time now, Events& events) {
  if (group.checks_passed) return true;
  const bool any =
      std::any_of(group.members.begin(), group.members.end(),
                  [&](const WaveMember& member) { return MachineStands(run, member); });
  if (group.checks.empty() || !any) {
    group.checks_passed = true;
  } else if (group.state == GroupState::kRunning) {
    group.state = GroupState::kChecking;
    group.check_start = now;
    events.push_back({.type = WaveEventType::kGateChecking,
                      .application = group.application,
                      .message = absl::StrCat(group.checks.size(), " checks")});
  }
  return group.checks_passed;
}

// True when the group has passed its gate.
bool AdvanceGroup(WaveRun& run, WaveGroup& group, absl::Time now, Events& events) {
  if (group.state == GroupState::kWaiting && !Begin(run, group, now, events)) return false;
  const int failed = Count(run, CountsAsFailed);
  if (failed >= run.options.stop_after_failed) {
    // What is under way ends first: a stopped run is at rest.
    if (!AnyIn(group, InFlight)) {
      Stop(run, group, absl::StrCat(failed, failed == 1 ? " server" : " servers", " failed"), now,
           events);
    }
    return false;
  }
  StartMembers(run, group, now);
  for (const WaveMember& member : group.members) {
    if (!Settled(member.state) && member.state != MemberState::kRemoving) return false;
  }
  if (!ChecksHold(run, group, now, events)) return false;
  for (WaveMember& member : group.members) {
    if (member.state == MemberState::kProven) member.state = MemberState::kRemoving;
  }
  if (AnyIn(group, InFlight)) return false;
  group.state = GroupState::kPassed;
  group.reason.clear();
  group.end_time = now;
  events.push_back({.type = WaveEventType::kGatePassed, .application = group.application});
  return true;
}

void AdvanceRunning(WaveRun& run, absl::Time now, Events& events) {
  for (WaveGroup& group : run.groups) {
    if (group.state == GroupState::kPassed) continue;
    if (!AdvanceGroup(run, group, now, events)) return;
  }
  const int failed =
      Count(run, [](const WaveMember& m) { return m.state == MemberState::kFailed; });
  if (failed == 0) {
    Enter(run, WaveState::kSucceeded, "", now);
  } else {
    Enter(run, WaveState::kFailed,
          absl::StrCat("went on to its end; ", failed, failed == 1 ? " server" : " servers",
                       " failed"),
          now);
  }
  events.push_back({.type = WaveEventType::kRunEnded, .message = run.reason});
}

void AdvanceCancelling(WaveRun& run, absl::Time now, Events& events) {
  ForEachMember(run, [&](WaveGroup&, WaveMember& member) {
    if (member.state != MemberState::kWaiting) return;
    member.state = MemberState::kCancelled;
    member.end_time = now;
  });
  if (Count(run, [](const WaveMember& m) { return InFlight(m.state); }) > 0) return;
  for (WaveGroup& group : run.groups) {
    if (group.state == GroupState::kPassed) continue;
    group.state = GroupState::kCancelled;
    group.end_time = now;
  }
  ForEachMember(run, [&](WaveGroup&, WaveMember& member) {
    if (member.state == MemberState::kProven) member.state = MemberState::kSucceeded;
  });
  Enter(run, WaveState::kCancelled, run.reason, now);
  events.push_back({.type = WaveEventType::kRunEnded, .message = run.reason});
}

// What a launch that succeeded leads to.
void Launched(const WaveRun& run, const WaveGroup& group, WaveMember& member) {
  if (!run.options.remove_test_machines || run.kind != WaveKind::kTest) {
    member.state = MemberState::kSucceeded;
  } else {
    member.state = group.checks.empty() ? MemberState::kRemoving : MemberState::kProven;
  }
}

void ApplyToStarting(const WaveRun& run, const WaveGroup& group, WaveMember& member,
                     const MemberResult& result, Events& events) {
  using Kind = MemberResult::Kind;
  const auto tell = [&](WaveEventType type, const std::string& message) {
    events.push_back({.type = type,
                      .application = group.application,
                      .server = member.server,
                      .message = message});
  };
  if (result.kind == Kind::kJobKnown && member.state == MemberState::kStarting) {
    member.state = MemberState::kLaunching;
    member.job = result.job;
    member.reason.clear();
    tell(WaveEventType::kServerStarted, absl::StrCat("jobs/", result.job));
  } else if (result.kind == Kind::kDone) {
    member.reason = result.reason;
    tell(WaveEventType::kServerSucceeded, result.reason);
    if (Launches(run.kind)) {
      Launched(run, group, member);
    } else {
      member.state = MemberState::kSucceeded;
    }
  } else if (result.kind == Kind::kFailed || result.kind == Kind::kCancelled) {
    const bool asked = result.kind == Kind::kCancelled && run.state == WaveState::kCancelling;
    member.state = asked ? MemberState::kCancelled : MemberState::kFailed;
    member.reason = result.reason;
    if (!asked) tell(WaveEventType::kServerFailed, result.reason);
  } else if (result.kind == Kind::kNotBegun && run.state == WaveState::kCancelling) {
    member.state = MemberState::kCancelled;
    member.start_time.reset();
    member.reason.clear();
  } else if (result.kind == Kind::kWaits) {
    member.reason = result.reason;
  }
}

void ApplyToRemoving(const WaveGroup& group, WaveMember& member, const MemberResult& result,
                     Events& events) {
  using Kind = MemberResult::Kind;
  if (result.kind == Kind::kRemoveKnown) {
    member.remove_job = result.job;
  } else if (result.kind == Kind::kRemoved) {
    member.state = MemberState::kSucceeded;
    member.reason.clear();
    events.push_back({.type = WaveEventType::kMachineRemoved,
                      .application = group.application,
                      .server = member.server,
                      .message = result.reason});
  } else if (result.kind == Kind::kFailed || result.kind == Kind::kCancelled) {
    member.state = MemberState::kFailed;
    member.reason = result.reason;
    events.push_back({.type = WaveEventType::kServerFailed,
                      .application = group.application,
                      .server = member.server,
                      .message = result.reason});
  } else if (result.kind == Kind::kWaits) {
    member.reason = result.reason;
  }
}

}  // namespace

void Advance(WaveRun& run, absl::Time now, Events& events) {
  if (run.state == WaveState::kPending) {
    run.start_time = now;
    Enter(run, WaveState::kRunning, "", now);
    events.push_back({.type = WaveEventType::kRunStarted});
  }
  if (run.state == WaveState::kRunning) AdvanceRunning(run, now, events);
  if (run.state == WaveState::kCancelling) AdvanceCancelling(run, now, events);
}

void Apply(WaveRun& run, const MemberResult& result, absl::Time now, Events& events) {
  ForEachMember(run, [&](WaveGroup& group, WaveMember& member) {
    if (member.server != result.server || !InFlight(member.state)) return;
    if (member.state == MemberState::kRemoving) {
      ApplyToRemoving(group, member, result, events);
    } else {
      ApplyToStarting(run, group, member, result, events);
    }
    if (Settled(member.state) && member.state != MemberState::kProven) member.end_time = now;
  });
}

void ApplyChecks(WaveRun& run, const std::string& application, const std::string& problem,
                 absl::Time now, Events& events) {
  if (run.state != WaveState::kRunning) return;
  for (WaveGroup& group : run.groups) {
    if (group.application != application || group.state != GroupState::kChecking ||
        group.checks_passed) {
      continue;
    }
    group.reason = problem;
    if (problem.empty()) {
      group.checks_passed = true;
    } else if (group.check_start && now - *group.check_start >= group.check_timeout &&
               MembersInFlight(run).empty()) {
      Stop(run, group,
           absl::StrCat("a check does not hold after ", absl::FormatDuration(group.check_timeout),
                        ": ", problem),
           now, events);
    }
  }
}

absl::Status Approve(WaveRun& run, const std::string& application, const std::string& principal,
                     absl::Time now, Events& events) {
  if (run.state != WaveState::kWaitingForApproval) {
    return absl::FailedPreconditionError("the run does not wait for an approval");
  }
  const auto waiting =
      std::find_if(run.groups.begin(), run.groups.end(), [](const WaveGroup& group) {
        return group.state == GroupState::kWaiting && group.needs_approval &&
               group.approved_by.empty();
      });
  if (waiting == run.groups.end()) return absl::InternalError("no group waits for approval");
  if (!application.empty() && waiting->application != application) {
    return absl::FailedPreconditionError(
        absl::StrCat("applications/", waiting->application, " (", waiting->display_name,
                     ") waits for approval, not applications/", application));
  }
  waiting->approved_by = principal;
  Enter(run, WaveState::kRunning, "", now);
  events.push_back({.type = WaveEventType::kApproved,
                    .application = waiting->application,
                    .message = absl::StrCat("by ", principal)});
  return absl::OkStatus();
}

absl::Status Resume(WaveRun& run, bool retry_failed, const std::string& principal, absl::Time now,
                    Events& events) {
  if (run.state != WaveState::kStopped) {
    return absl::FailedPreconditionError("the run is not stopped");
  }
  for (WaveGroup& group : run.groups) {
    for (WaveMember& member : group.members) {
      if (!CountsAsFailed(member)) continue;
      if (!retry_failed) {
        member.left_behind = true;
        continue;
      }
      member = {.server = member.server,
                .hostname = member.hostname,
                .job = "",
                .attempt = member.attempt + 1};
      // A server of a group that went on without it keeps that group open again.
      if (group.state == GroupState::kPassed) group.state = GroupState::kRunning;
    }
    if (group.state != GroupState::kFailed) continue;
    group.state = GroupState::kRunning;
    group.reason.clear();
    group.checks_passed = !retry_failed && group.check_start.has_value();
    group.check_start.reset();
  }
  Enter(run, WaveState::kRunning, "", now);
  events.push_back({.type = WaveEventType::kRunResumed,
                    .message = absl::StrCat("by ", principal,
                                            retry_failed ? ", failed servers are tried again"
                                                         : ", without the failed servers")});
  return absl::OkStatus();
}

absl::Status Cancel(WaveRun& run, bool leave_jobs, const std::string& principal, absl::Time now,
                    Events& events) {
  if (run.state == WaveState::kCancelling || run.state == WaveState::kCancelled) {
    return absl::OkStatus();
  }
  if (Ended(run.state)) return absl::FailedPreconditionError("the run has ended");
  run.leave_jobs = leave_jobs;
  Enter(run, WaveState::kCancelling, absl::StrCat("cancelled by ", principal), now);
  events.push_back({.type = WaveEventType::kCancelRequested, .message = run.reason});
  return absl::OkStatus();
}

bool MachineStands(const WaveRun& run, const WaveMember& member) {
  if (member.job.empty() || !Launches(run.kind)) return false;
  const bool removes = run.kind == WaveKind::kTest && run.options.remove_test_machines;
  return member.state == MemberState::kProven ||
         (member.state == MemberState::kSucceeded && !removes);
}

std::vector<WaveMember> MembersInFlight(const WaveRun& run) {
  std::vector<WaveMember> out;
  for (const WaveGroup& group : run.groups) {
    for (const WaveMember& member : group.members) {
      if (InFlight(member.state)) out.push_back(member);
    }
  }
  return out;
}

const WaveGroup* GroupToCheck(const WaveRun& run) {
  if (run.state != WaveState::kRunning) return nullptr;
  for (const WaveGroup& group : run.groups) {
    if (group.state == GroupState::kChecking && !group.checks_passed) return &group;
  }
  return nullptr;
}

bool Rests(const WaveRun& run) {
  return Ended(run.state) ||
         ((run.state == WaveState::kWaitingForApproval || run.state == WaveState::kStopped) &&
          MembersInFlight(run).empty());
}

}  // namespace godwit::jobs
