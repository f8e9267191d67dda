// Decides the replication state of a server from what agent and worker last said. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator {

// Numbers are those of the API.
enum class Step {
  kWait = 1,
  kCreateSecurityGroup = 2,
  kLaunchReplicationServer = 3,
  kBootReplicationServer = 4,
  kAuthenticateWithService = 5,
  kDownloadReplicationSoftware = 6,
  kCreateStagingDisks = 7,
  kAttachStagingDisks = 8,
  kPairReplicationServerWithAgent = 9,
  kConnectAgentToReplicationServer = 10,
  kStartDataTransfer = 11,
};
enum class StepStatus {
  kNotStarted = 1,
  kInProgress = 2,
  kSucceeded = 3,
  kFailed = 4,
  kSkipped = 5
};
inline constexpr int kStepCount = 11;
using Steps = std::array<StepStatus, kStepCount>;  // by Step - 1

struct StateLimits {
  absl::Duration agent_silence = absl::Seconds(60);
  // How long one initiation step may take before it counts as failed.
  absl::Duration no_worker = absl::Minutes(1);
  absl::Duration pair = absl::Minutes(2);
  absl::Duration transfer = absl::Minutes(2);
  int abandoned_cuts = 10;
  // BACKLOG needs both.
  absl::Duration backlog_lag = absl::Seconds(60);
  std::int64_t backlog_bytes = 16 << 20;
};

struct Verdict {
  State state = State::kInitiating;
  StallCause cause = StallCause::kNone;
  std::string message;        // with kStalled
  bool transferring = false;  // data flows or flowed in this attempt
};

// The initiation steps as they stand.
Steps StepsOf(const Server& server, const StateLimits& limits = {});

// The state that follows from the facts, at server.now.
Verdict Judge(const Server& server, const StateLimits& limits = {});

// The agent is connected under the present lease and works.
bool DataFlows(const Server& server);

std::int64_t TotalBytes(const Server& server);
// Bytes not yet sent.
std::int64_t BacklogBytes(const Server& server);
// Time since the replica last equalled the source; nullopt before the first point.
std::optional<absl::Duration> Lag(const Server& server);
// When the backlog ends at its present speed; nullopt when unknown or when it does not shrink.
std::optional<absl::Time> Eta(const Server& server);
// The new smoothed speed at which the backlog shrinks, after it went from `before` to `after` bytes
// within `elapsed`. Negative when it grows.
double Smooth(double speed, std::int64_t before, std::int64_t after, absl::Duration elapsed);

// What an agent is told.
enum class Action { kWait = 1, kReplicate = 2, kPause = 3, kStop = 4, kUninstall = 5 };
Action ActionFor(const Server& server);

}  // namespace godwit::coordinator
