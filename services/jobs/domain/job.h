// Jobs as plain values. A job has one *run* for each of its servers; the run is what a runner
// leases, steps through and ends. Numbers of enums are stored: append only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/jobs/domain/settings.h"

namespace godwit::jobs {

// The numbers are those of godwit.jobs.v1.Job.Type.
enum class JobType {
  kTestLaunch = 1,
  kCutoverLaunch = 2,
  kTerminate = 3,
  kCleanUp = 4,
  kVerify = 5,
  kExport = 6,
  kPreflight = 7
};
// The numbers are those of godwit.jobs.v1.Job.State.
enum class JobState {
  kPending = 1,
  kRunning = 2,
  kCancelling = 3,
  kSucceeded = 4,
  kFailed = 5,
  kCancelled = 6
};
enum class RunState {
  kReady = 1,      // waits for a runner until due_at
  kRunning = 2,    // leased until due_at, or waiting for a retry at due_at
  kUndoing = 3,    // what the run made is being removed
  kReporting = 4,  // all is removed; the registry must still be told
  kSucceeded = 5,
  kFailed = 6,
  kCancelled = 7,
};
// The numbers are those of godwit.jobs.v1.ParticipatingServer.LaunchStatus.
enum class LaunchStatus {
  kPending = 1,
  kInProgress = 2,
  kLaunched = 3,
  kFailed = 4,
  kTerminated = 5
};
// The numbers are those of godwit.jobs.v1.JobStep.State.
enum class StepState {
  kWaiting = 1,
  kRunning = 2,
  kSucceeded = 3,
  kFailed = 4,
  kSkipped = 5,
  kUndone = 6
};
// The numbers are those of godwit.jobs.v1.JobLogItem.Event.
enum class Event {
  kJobStart = 1,
  kServerSkipped = 2,
  kCleanupStart = 3,
  kCleanupEnd = 4,
  kCleanupFail = 5,
  kSnapshotStart = 6,
  kSnapshotEnd = 7,
  kSnapshotFail = 8,
  kUsingPreviousSnapshot = 9,
  kConversionStart = 10,
  kConversionEnd = 11,
  kConversionFail = 12,
  kLaunchStart = 13,
  kLaunchFailed = 14,
  kJobCancel = 15,
  kJobEnd = 16,
  kBootProofStart = 32,
  kBootProofEnd = 33,
  kBootProofFail = 34,
  kStepRetry = 35,
  kRunnerTakeover = 36,
  kUndoStart = 37,
  kUndoEnd = 38,
  kActionStart = 39,
  kActionEnd = 40,
  kActionFail = 41,
  kRightSizing = 42,
  kStepSkipped = 50,
};

constexpr bool IsLaunch(JobType type) {
  return type == JobType::kTestLaunch || type == JobType::kCutoverLaunch;
}
constexpr bool Ended(RunState state) {
  return state == RunState::kSucceeded || state == RunState::kFailed ||
         state == RunState::kCancelled;
}
constexpr bool Ended(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

// Version of the plans (steps, their order and their facts). Raised with every change that a runner
// of the version before could not go on with; runners leave runs of newer versions alone.
inline constexpr int kPlanVersion = 2;

// Facts that steps leave for later steps, kept as one flat JSON object.
using Outputs = std::map<std::string, std::string>;

// What a run needs to know; fixed at creation.
struct RunInput {
  std::string server;  // "s-..."
  LaunchSettings settings;
  std::string point;                  // full name; empty: a fresh one
  std::vector<std::string> machines;  // ids of machines to remove
  std::string hostname;
};

struct StepRecord {
  std::string name;
  StepState state = StepState::kWaiting;
  std::optional<absl::Time> start_time, end_time;
  int attempts = 0;
  std::int64_t total_bytes = 0, done_bytes = 0;
  std::string message;
};

struct Run {
  std::int64_t id = 0;
  std::string job_id;
  JobType type = JobType::kTestLaunch;
  int index = 0;  // position in the job
  RunInput input;
  RunState state = RunState::kReady;
  int step = 0;  // the present one
  int plan_version = 0;
  Outputs outputs;
  absl::Status error;  // why it failed
  LaunchStatus launch_status = LaunchStatus::kPending;
  bool cancel_requested = false;
  bool committed = false;       // past the commit point
  bool needs_operator = false;  // something could not be removed
  std::string machine_id;       // set while a machine exists
  std::int64_t epoch = 0;
  int crashes = 0;    // claims since the last orderly write, this one included
  int tries = 0;      // orderly failures at the present step
  std::string owner;  // who held it before this claim
  std::vector<StepRecord> steps;
};

struct Job {
  std::string id;  // "job-..."
  JobType type = JobType::kTestLaunch;
  JobState state = JobState::kPending;
  std::string initiated_by;
  absl::Time create_time;
  std::optional<absl::Time> start_time, end_time;
  std::vector<std::string> warnings;
  std::int64_t version = 0;
  std::vector<Run> runs;
};

struct LogItem {
  std::int64_t sequence = 0;
  absl::Time time;
  Event event = Event::kJobStart;
  std::string server;  // "s-..." or empty
  std::string message;
  std::map<std::string, std::string> data;
};

// The state of a job whose runs stand at `runs`: the worst ending wins (failed, cancelled,
// succeeded), nothing ends before all have ended.
JobState Aggregate(const std::vector<RunState>& runs, bool cancel_requested);

}  // namespace godwit::jobs
