#include "services/replication/coordinator/domain/replication_state.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace godwit::coordinator {
namespace {

constexpr absl::Duration kSmoothing = absl::Seconds(20);

bool AgentSilent(const Server& server, const StateLimits& limits) {
  const absl::Time since = server.agent_seen_time.value_or(server.attempt_time);
  return server.now - std::max(since, server.attempt_time) > limits.agent_silence;
}

bool Connected(const Server& server) {
  return server.generation > 0 && !server.worker_id.empty() &&
         server.connected_generation == server.generation;
}

// The worker named the group in a heartbeat under the present lease.
bool GroupOpen(const Server& server) {
  return !server.worker_id.empty() && server.group_generation == server.generation;
}

bool Flows(const Server& server) {
  if (!Connected(server)) return false;
  switch (server.phase) {
    case Phase::kInitialSync:
    case Phase::kRescan:
    case Phase::kCopying:
    case Phase::kCutting:
    case Phase::kIdle:
      return true;
    default:
      return false;
  }
}

Verdict Stalled(StallCause cause, std::string message, bool transferring) {
  return {.state = State::kStalled,
          .cause = cause,
          .message = std::move(message),
          .transferring = transferring};
}

// The first initiation step that is not done and what its failure is called.
struct Missing {
  Step step;
  StallCause cause;
  absl::Duration limit;
  const char* message;
};
std::optional<Missing> FirstMissing(const Server& server, const StateLimits& limits) {
  if (server.worker_id.empty() || server.releasing) {
    if (server.disks.empty()) {
      return Missing{Step::kAuthenticateWithService, StallCause::kAgentNotSeen,
                     limits.agent_silence, "the agent did not report its disks"};
    }
    return Missing{Step::kLaunchReplicationServer, StallCause::kNoWorkerAvailable, limits.no_worker,
                   "no worker has room, matches the settings and holds the server's store"};
  }
  if (!server.worker_alive) {
    return Missing{Step::kBootReplicationServer, StallCause::kNoWorkerAvailable, limits.no_worker,
                   "the worker's lease ran out"};
  }
  if (!server.agent_seen_time) {
    return Missing{Step::kAuthenticateWithService, StallCause::kAgentNotSeen, limits.agent_silence,
                   "the agent was not heard of"};
  }
  if (!Connected(server)) {
    // A group is opened by the agent's first stream, so pairing and staging end with it.
    return Missing{Step::kConnectAgentToReplicationServer, StallCause::kFailedToConnect,
                   limits.pair, "the agent does not reach the worker's block stream"};
  }
  if (!Flows(server)) {
    return Missing{Step::kStartDataTransfer, StallCause::kFailedToStartDataTransfer,
                   limits.transfer, "the agent is connected but sends nothing"};
  }
  return std::nullopt;
}

State Running(const Server& server, const StateLimits& limits) {
  if (server.phase == Phase::kRescan) return State::kRescan;
  if (!server.latest_cut_time) {
    const bool sent_all = BacklogBytes(server) == 0 && server.phase != Phase::kInitialSync;
    return server.phase == Phase::kCutting || (sent_all && server.phase == Phase::kIdle)
               ? State::kCreatingSnapshot
               : State::kInitialSync;
  }
  const std::optional<absl::Duration> lag = Lag(server);
  if (lag && *lag > limits.backlog_lag && BacklogBytes(server) > limits.backlog_bytes) {
    return State::kBacklog;
  }
  return State::kContinuous;
}

bool IsRunning(State state) {
  return state == State::kInitialSync || state == State::kBacklog ||
         state == State::kCreatingSnapshot || state == State::kContinuous ||
         state == State::kRescan;
}

}  // namespace

bool DataFlows(const Server& server) { return Flows(server); }

Steps StepsOf(const Server& server, const StateLimits& limits) {
  Steps steps;
  steps.fill(StepStatus::kSucceeded);
  const auto at = [&steps](Step step) -> StepStatus& {
    return steps[static_cast<std::size_t>(step) - 1];
  };
  const std::optional<Missing> missing = FirstMissing(server, limits);
  if (missing) {
    for (int i = static_cast<int>(missing->step); i < kStepCount; ++i) {
      steps[static_cast<std::size_t>(i)] = StepStatus::kNotStarted;
    }
    at(missing->step) = server.state == State::kStalled && !server.transferring
                            ? StepStatus::kFailed
                            : StepStatus::kInProgress;
    // The agent may be there before a worker is.
    if (missing->step < Step::kAuthenticateWithService && server.agent_seen_time) {
      at(Step::kAuthenticateWithService) = StepStatus::kSucceeded;
    }
    if (missing->step == Step::kConnectAgentToReplicationServer && !GroupOpen(server) &&
        server.group_cause == StallCause::kFailedToCreateStagingDisks) {
      at(Step::kCreateStagingDisks) = StepStatus::kFailed;
    }
  }
  // Nothing to do for these here: certificates name peers, and workers bring their software.
  at(Step::kCreateSecurityGroup) = StepStatus::kSkipped;
  at(Step::kDownloadReplicationSoftware) = StepStatus::kSkipped;
  return steps;
}

Verdict Judge(const Server& server, const StateLimits& limits) {
  switch (server.wish) {
    case Wish::kStop:
      return {.state = State::kStopped};
    case Wish::kDisconnect:
      return {.state = State::kDisconnected};
    case Wish::kPause:
      return {.state = State::kPaused, .transferring = server.transferring};
    case Wish::kReplicate:
      break;
  }
  const std::optional<Missing> missing = FirstMissing(server, limits);
  const bool flowing = !missing.has_value();
  const bool transferring = server.transferring || flowing;
  if (server.agent_seen_time && AgentSilent(server, limits)) {
    return Stalled(StallCause::kAgentNotSeen,
                   absl::StrCat("the agent was last heard of at ",
                                absl::FormatTime(*server.agent_seen_time, absl::UTCTimeZone())),
                   transferring);
  }
  if (server.group_cause != StallCause::kNone && GroupOpen(server)) {
    return Stalled(server.group_cause, server.group_error, transferring);
  }
  if (server.agent_cause != StallCause::kNone) {
    return Stalled(server.agent_cause, server.agent_error, transferring);
  }
  if (server.abandoned_cut_count >= limits.abandoned_cuts) {
    return Stalled(StallCause::kNotConverging,
                   absl::StrCat(server.abandoned_cut_count,
                                " cuts in a row were given up: writes outrun the transfer"),
                   transferring);
  }
  if (missing) {
    const absl::Time since =
        std::max(server.attempt_time, server.flow_time.value_or(absl::InfinitePast()));
    if (server.now - since > missing->limit) {
      std::string message = missing->message;
      if (!server.agent_error.empty()) absl::StrAppend(&message, ": ", server.agent_error);
      return Stalled(missing->cause, std::move(message), transferring);
    }
    // A short interruption does not change what people see.
    if (server.transferring && IsRunning(server.state)) {
      return {.state = server.state, .transferring = true};
    }
    return {.state = State::kInitiating, .transferring = transferring};
  }
  return {.state = Running(server, limits), .transferring = true};
}

std::int64_t TotalBytes(const Server& server) {
  std::int64_t total = 0;
  for (const Disk& disk : server.disks) total += disk.size_bytes;
  return total;
}

std::int64_t BacklogBytes(const Server& server) {
  std::int64_t pending = 0;
  for (const Disk& disk : server.disks) pending += disk.pending_bytes;
  return pending;
}

std::optional<absl::Duration> Lag(const Server& server) {
  if (!server.latest_cut_time) return std::nullopt;
  absl::Time equal = *server.latest_cut_time;
  if (server.idle_time) equal = std::max(equal, *server.idle_time);
  return std::max(server.now - equal, absl::ZeroDuration());
}

std::optional<absl::Time> Eta(const Server& server) {
  const std::int64_t backlog = BacklogBytes(server);
  if (backlog == 0 || server.drain_bytes_per_second < 1) return std::nullopt;
  const double seconds = static_cast<double>(backlog) / server.drain_bytes_per_second;
  if (seconds > 366.0 * 86400) return std::nullopt;
  return server.now + absl::Seconds(seconds);
}

double Smooth(double speed, std::int64_t before, std::int64_t after, absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (seconds <= 0) return speed;
  const double sample = static_cast<double>(before - after) / seconds;
  const double weight = 1 - std::exp(-seconds / absl::ToDoubleSeconds(kSmoothing));
  return speed + weight * (sample - speed);
}

Action ActionFor(const Server& server) {
  switch (server.wish) {
    case Wish::kStop:
      return Action::kStop;
    case Wish::kDisconnect:
      return server.keep_agent ? Action::kStop : Action::kUninstall;
    case Wish::kPause:
      return Action::kPause;
    case Wish::kReplicate:
      break;
  }
  const bool ready = !server.worker_id.empty() && !server.releasing && server.worker_alive;
  return ready ? Action::kReplicate : Action::kWait;
}

}  // namespace godwit::coordinator
