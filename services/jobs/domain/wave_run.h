// Runs over whole waves as plain values. A run has groups (applications, in the order in which they
// are done) and these have members (servers). Numbers of enums are those of godwit.jobs.v1 and
// stored: append only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/jobs/domain/settings.h"

namespace godwit::jobs {

enum class WaveKind { kTest = 1, kMarkReady = 2, kCutover = 3, kFinalize = 4 };
enum class WaveState {
  kPending = 1,
  kRunning = 2,
  kWaitingForApproval = 3,
  kStopped = 4,
  kCancelling = 5,
  kSucceeded = 6,
  kFailed = 7,
  kCancelled = 8
};
enum class GroupState {
  kWaiting = 1,
  kRunning = 2,
  kChecking = 3,
  kPassed = 4,
  kFailed = 5,
  kCancelled = 6
};
enum class MemberState {
  kWaiting = 1,
  kStarting = 2,   // the call that begins it is to be made (again)
  kLaunching = 3,  // its job is under way
  kRemoving = 4,   // its test machine is to be removed: by remove_job, once that is known
  kSucceeded = 5,
  kFailed = 6,
  kSkipped = 7,
  kCancelled = 8,
  kProven = 9  // launched; its machine is removed when the group's gate passed
};
enum class WaveEventType {
  kRunCreated = 1,
  kRunStarted = 2,
  kGroupStarted = 3,
  kServerStarted = 4,
  kServerSucceeded = 5,
  kServerFailed = 6,
  kGateChecking = 7,
  kGatePassed = 8,
  kGateFailed = 9,
  kApprovalNeeded = 10,
  kApproved = 11,
  kRunStopped = 12,
  kRunResumed = 13,
  kCancelRequested = 14,
  kRunEnded = 15,
  kRunnerTakeover = 16,
  kMachineRemoved = 17
};

// Bounds of the contract.
inline constexpr int kMostWaveServers = 1000;
inline constexpr int kMostWaveGroups = 200;
inline constexpr int kMostGateChecks = 16;
inline constexpr int kMostParallelServers = 200;
inline constexpr int kDefaultParallelServers = 10;
inline constexpr int kMostGroupOrder = 1'000'000;
inline constexpr absl::Duration kDefaultCheckTimeout = absl::Minutes(5);
inline constexpr absl::Duration kMostCheckTimeout = absl::Hours(2);

// What is asked of machines when their group is launched.
struct WaveCheck {
  enum class Kind { kTcp = 1, kHttp = 2, kCommand = 3 } kind = Kind::kTcp;
  std::string server;  // "s-..."; empty: each of the group
  int tcp_port = 0;
  HttpCheck http;
  CommandCheck command;
  bool operator==(const WaveCheck&) const = default;
};

struct WaveOptions {
  int max_parallel_servers = kDefaultParallelServers;
  int max_machines = 0;  // 0: no limit
  bool remove_test_machines = false;
  int stop_after_failed = 1;
  bool keep_agent = false;
  bool operator==(const WaveOptions&) const = default;
};

struct WaveMember {
  std::string server;  // "s-..."
  std::string hostname;
  MemberState state = MemberState::kWaiting;
  std::string reason;
  std::string job, remove_job;  // "job-..." or empty
  int attempt = 1;
  bool left_behind = false;  // failed, and the run went on without it
  std::optional<absl::Time> start_time, end_time;
  bool operator==(const WaveMember&) const = default;
};

struct WaveGroup {
  std::string application;  // "app-..."
  std::string display_name;
  GroupState state = GroupState::kWaiting;
  std::string reason;
  bool needs_approval = false;
  std::string approved_by;
  std::vector<WaveCheck> checks;
  absl::Duration check_timeout = kDefaultCheckTimeout;
  std::optional<absl::Time> check_start;
  bool checks_passed = false;
  std::optional<absl::Time> start_time, end_time;
  std::vector<WaveMember> members;
  bool operator==(const WaveGroup&) const = default;
};

struct WaveRun {
  std::string id;  // "wr-..."
  WaveKind kind = WaveKind::kTest;
  WaveState state = WaveState::kPending;
  std::string reason;
  std::string wave;  // "wave-..."
  std::string wave_name;
  std::string initiated_by;
  WaveOptions options;
  std::string request;  // the options as they were asked for; opaque here
  bool leave_jobs = false;
  absl::Time create_time, state_time;
  std::optional<absl::Time> start_time, end_time;
  std::int64_t version = 0;
  std::vector<WaveGroup> groups;
  bool operator==(const WaveRun&) const = default;
};

struct WaveEvent {
  WaveEventType type = WaveEventType::kRunCreated;
  std::string application, server;  // ids; may be empty
  std::string message;
};

constexpr bool Ended(WaveState state) {
  return state == WaveState::kSucceeded || state == WaveState::kFailed ||
         state == WaveState::kCancelled;
}
constexpr bool Launches(WaveKind kind) {
  return kind == WaveKind::kTest || kind == WaveKind::kCutover;
}
// Something of the member is under way.
constexpr bool InFlight(MemberState state) {
  return state == MemberState::kStarting || state == MemberState::kLaunching ||
         state == MemberState::kRemoving;
}
// The member needs nothing more until its group's gate.
constexpr bool Settled(MemberState state) {
  return state == MemberState::kSucceeded || state == MemberState::kFailed ||
         state == MemberState::kSkipped || state == MemberState::kCancelled ||
         state == MemberState::kProven;
}
static_assert(!Settled(MemberState::kWaiting) && !InFlight(MemberState::kWaiting));

}  // namespace godwit::jobs
