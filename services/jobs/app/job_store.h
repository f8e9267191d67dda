// Where jobs live. Implementations are thread-safe; every call is one transaction.
//
// Claim and rescue are one thing: a run is due when its due_at has passed, whether it waits for its
// first runner, for a retry, or its runner died (due_at is the lease's end while it is leased).
// Each claim raises the run's epoch, and every write of a runner names the epoch it claimed with: a
// write with another epoch changes nothing and gives the lost-lease error (domain/errors.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/jobs/domain/job.h"
#include "services/jobs/domain/quotas.h"

namespace godwit::jobs {

struct NewJob {
  std::string job_id;
  std::string request_id;
  std::string request_hash;  // of the body: the same id with another body is an error
  JobType type = JobType::kTestLaunch;
  std::string initiated_by;
  std::vector<RunInput> servers;
  std::vector<std::string> steps;  // names, of the plan
  int plan_version = 0;
  std::vector<std::string> warnings;
};

struct JobFilter {
  std::string server;  // "s-...", or empty
  bool active_only = false;
  // Only jobs all of whose servers are among these ids; nullopt: any.
  std::optional<std::vector<std::string>> within;
  int limit = 50;
  std::int64_t before = 0;  // 0, or the key of the last one of the page before
};
struct JobPage {
  std::vector<Job> jobs;
  std::int64_t next_before = 0;  // 0 at the end
};

struct Lease {
  std::int64_t run_id = 0;
  std::int64_t epoch = 0;
};

struct ScreenshotRecord {
  std::string png;
  absl::Time time;
};

struct ClaimOrder {
  std::vector<JobType> types;
  std::string owner;   // of the lease
  absl::Duration ttl;  // of the lease
  int limit = 1;       // runs
  // Runs of one job that may be leased at once, by anybody. Jobs that have none leased come first
  // then, the longest due first, so that a job of many servers holds nobody up. 0: in the order
  // they became due (but for jobs that others claim from at that moment), without a bound.
  int most_of_job = 0;
};

struct Renewal {
  bool held = false;
  bool cancel_requested = false;
};

// One line of the job log to be written.
struct LogLine {
  Event event = Event::kStepRetry;
  std::string message;
  std::map<std::string, std::string> data;
};

// What a step changed, saved with its completion.
struct StepResult {
  StepState state = StepState::kSucceeded;  // or kSkipped
  Outputs outputs;                          // all outputs so far
  std::string message;
  std::optional<LaunchStatus> launch_status;
  std::optional<std::string> machine_id;      // set: the machine exists; "": it is gone
  std::vector<std::string> removed_machines;  // of earlier runs
  std::vector<LogLine> log;
};

class JobStore {
 public:
  virtual ~JobStore() = default;

  // ALREADY_EXISTS with ErrorInfo metadata "job": a server has a job under way.
  // INVALID_ARGUMENT: the request id was used with another body. RESOURCE_EXHAUSTED: the job would
  // break a quota (services/common/base/quota.h); of two that would reach it together one is
  // refused.
  virtual absl::StatusOr<Job> Create(const NewJob& job, const JobQuotas& quotas) = 0;
  virtual absl::StatusOr<JobUse> CountQuotaUse() = 0;
  virtual absl::StatusOr<Job> Get(const std::string& job_id) = 0;
  // A page ends early when its jobs have many servers; next_before says whether more follow.
  virtual absl::StatusOr<JobPage> List(const JobFilter& filter) = 0;
  // FAILED_PRECONDITION: all of it ended or is past the commit point. Repeating it is harmless.
  virtual absl::StatusOr<Job> Cancel(const std::string& job_id) = 0;
  // FAILED_PRECONDITION: it has not ended.
  virtual absl::Status Delete(const std::string& job_id) = 0;
  virtual absl::StatusOr<std::vector<LogItem>> ListLog(const std::string& job_id,
                                                       std::int64_t after, int limit) = 0;
  // Changes whenever the job changes; for watchers. NOT_FOUND.
  virtual absl::StatusOr<std::int64_t> Version(const std::string& job_id) = 0;

  // The screen kept for a server of a job. NOT_FOUND.
  virtual absl::StatusOr<ScreenshotRecord> GetScreenshot(const std::string& job_id,
                                                         const std::string& server) = 0;
  // The launch that made this machine. NOT_FOUND.
  virtual absl::StatusOr<Run> FindMachine(const std::string& machine_id) = 0;
  // Launches of a server whose machine still exists.
  virtual absl::StatusOr<std::vector<Run>> MachinesOf(const std::string& server) = 0;

  // The due runs of these types that come next, now leased. None: there was a moment of the call at
  // which no due run was left that nobody held.
  virtual absl::StatusOr<std::vector<Run>> Claim(const ClaimOrder& order) = 0;
  // Uses a connection of its own, so that a slow query elsewhere loses no lease.
  virtual absl::StatusOr<Renewal> Renew(const Lease& lease, absl::Duration ttl) = 0;
  // The step begins (again); gives the number of this attempt, from 1. With `commit_point` the run
  // is past it from now on. CANCELLED: cancel was requested first.
  virtual absl::StatusOr<int> BeginStep(const Lease& lease, int step, bool commit_point,
                                        const std::vector<LogLine>& log) = 0;
  // Facts and progress inside a step.
  virtual absl::Status SaveProgress(const Lease& lease, int step, const Outputs& outputs,
                                    const std::string& message, std::int64_t done_bytes,
                                    std::int64_t total_bytes) = 0;
  virtual absl::Status AddLog(const Lease& lease, const std::vector<LogLine>& log) = 0;
  // INVALID_ARGUMENT: more than 2 MiB.
  virtual absl::Status SaveScreenshot(const Lease& lease, const std::string& png) = 0;
  // The step is done; the next one is `step` + 1.
  virtual absl::Status FinishStep(const Lease& lease, int step, const StepResult& result) = 0;
  // The step waits for somebody else: it goes on after `delay`, and this was no attempt. The lease
  // is given back, so that the runner can do other work.
  virtual absl::Status Wait(const Lease& lease, int step, absl::Duration delay,
                            const std::string& message) = 0;
  // The step failed and is tried again after `delay`; the lease is given back.
  virtual absl::Status Retry(const Lease& lease, int step, absl::Duration delay,
                             const std::string& message) = 0;
  // From now on the run goes back from `step`. `error` is kept as the run's.
  virtual absl::Status BeginUndo(const Lease& lease, int step, const absl::Status& error,
                                 const std::vector<LogLine>& log) = 0;
  // What the step made is gone; the next to undo is `step` - 1. Below 0: the run reports.
  virtual absl::Status FinishUndo(const Lease& lease, int step, const StepResult& result) = 0;
  // The run ends as `state`; the job too when it was the last one.
  virtual absl::Status End(const Lease& lease, RunState state, bool needs_operator,
                           const std::vector<std::string>& warnings) = 0;
  // Gives the lease back; the run is due at once.
  virtual absl::Status Release(const Lease& lease) = 0;
};

}  // namespace godwit::jobs
