#include "services/jobs/runner/executor.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"

namespace godwit::jobs {
namespace {

constexpr RetryPolicy kUndoRetry{
    .most_attempts = 20, .base = absl::Seconds(1), .cap = absl::Minutes(1)};
constexpr RetryPolicy kReportRetry{
    .most_attempts = 300, .base = absl::Seconds(1), .cap = absl::Minutes(5)};
constexpr absl::Duration kUndoTimeout = absl::Minutes(5);

double Jitter() {
  std::array<std::uint8_t, 2> bytes{};
  RandomBytes(bytes);
  return (bytes[0] * 256 + bytes[1]) / 65536.0;
}

bool EndsAttempt(ErrorClass error) {
  return error == ErrorClass::kLostLease || error == ErrorClass::kStopping ||
         error == ErrorClass::kWaiting;
}

}  // namespace

absl::Status Executor::Execute(Run run, const HeldLease& lease) {
  const auto plan = plans_.find(run.type);
  if (plan == plans_.end()) return absl::UnimplementedError("no plan for this type of job");
  if (run.crashes > 1) {
    RETURN_IF_ERROR(store_.AddLog(
        lease.lease(),
        {{.event = Event::kRunnerTakeover,
          .message = "the runner before this one was lost",
          .data = {{"before", run.owner}, {"crashes", absl::StrCat(run.crashes - 1)}}}}));
  }
  const bool steps_left = run.step < static_cast<int>(plan->second.steps.size());
  if (run.steps.size() != plan->second.steps.size()) {
    // It was begun by another version: nobody here knows what its steps mean.
    return store_.End(
        lease.lease(), RunState::kFailed, /*needs_operator=*/true,
        {absl::StrCat("the job was begun by another version of godwit-jobs and cannot "
                      "be gone on with; terminate the machine ",
                      run.machine_id.empty() ? "(none)" : run.machine_id,
                      " and start the launch again")});
  }
  if (run.state == RunState::kRunning && steps_left && run.crashes > kMostCrashes) {
    RETURN_IF_ERROR(
        HandleFailure(plan->second, run, lease,
                      Permanent(absl::InternalError(absl::StrCat(
                          "the job's runner was lost ", run.crashes - 1, " times at this step")))));
  }
  if (run.state == RunState::kRunning) RETURN_IF_ERROR(Forward(plan->second, run, lease));
  if (run.state == RunState::kUndoing) RETURN_IF_ERROR(Back(plan->second, run, lease));
  if (run.state == RunState::kReporting) RETURN_IF_ERROR(Report(plan->second, run, lease));
  return absl::OkStatus();
}

absl::Status Executor::Forward(const Plan& plan, Run& run, const HeldLease& lease) {
  while (run.step < static_cast<int>(plan.steps.size())) {
    const Step& step = *plan.steps[static_cast<std::size_t>(run.step)];
    StepResult result;
    absl::Status done = RunStep(step, run.step, run, lease, &result);
    if (done.ok()) done = store_.FinishStep(lease.lease(), run.step, result);
    if (!done.ok()) return HandleFailure(plan, run, lease, done);
    run.steps[static_cast<std::size_t>(run.step)].state = result.state;
    if (result.machine_id.has_value()) run.machine_id = *result.machine_id;
    ++run.step;
    run.tries = 0;
    run.crashes = 1;
  }
  GODWIT_FAILPOINT("jobs.end.before");
  RETURN_IF_ERROR(store_.End(lease.lease(), RunState::kSucceeded, false, {}));
  GODWIT_FAILPOINT("jobs.end.after");
  run.state = RunState::kSucceeded;
  return absl::OkStatus();
}

absl::Status Executor::RunStep(const Step& step, int index, Run& run, const HeldLease& lease,
                               StepResult* result) {
  StepRecord& record = run.steps[static_cast<std::size_t>(index)];
  const StepOptions options = step.options(run);
  const bool first = record.state == StepState::kWaiting;
  const auto attempt = store_.BeginStep(lease.lease(), index, options.commit_point,
                                        first ? step.OnBegin(run) : std::vector<LogLine>{});
  if (absl::IsCancelled(attempt.status())) return CancelRequested();
  RETURN_IF_ERROR(attempt.status());
  record.state = StepState::kRunning;
  record.attempts = *attempt;
  if (options.commit_point) run.committed = true;
  StepContext context(store_, clock_, run, index, lease, stopping_, options.timeout,
                      /*undoing=*/false);
  RETURN_IF_ERROR(context.Check());
  RETURN_IF_ERROR(GODWIT_FAILPOINT_STATUS(absl::StrCat("jobs.", step.name(), ".before")));
  // Steps hold no state: one object serves all runners.
  RETURN_IF_ERROR(const_cast<Step&>(step).Do(context));
  RETURN_IF_ERROR(GODWIT_FAILPOINT_STATUS(absl::StrCat("jobs.", step.name(), ".after")));
  *result = std::move(context.result);
  result->outputs = run.outputs;
  return absl::OkStatus();
}

absl::Status Executor::Later(const Run& run, const HeldLease& lease, const RetryPolicy& policy,
                             const absl::Status& error) {
  const ErrorClass kind = Classify(error);
  if (kind == ErrorClass::kLostLease) return error;
  if (kind == ErrorClass::kStopping) return store_.Release(lease.lease());
  if (kind == ErrorClass::kWaiting) {
    return store_.Wait(lease.lease(), run.step, PauseOf(error), std::string(error.message()));
  }
  const absl::Duration delay = Backoff(policy, run.tries + 1, Jitter());
  return store_.Retry(lease.lease(), run.step, delay, error.ToString());
}

absl::Status Executor::HandleFailure(const Plan& plan, Run& run, const HeldLease& lease,
                                     const absl::Status& error) {
  const Step& step = *plan.steps[static_cast<std::size_t>(run.step)];
  const ErrorClass kind = Classify(error);
  const RetryPolicy retry = step.options(run).retry;
  if (EndsAttempt(kind) ||
      (kind == ErrorClass::kRetryable && run.tries + 1 < retry.most_attempts)) {
    return Later(run, lease, retry, error);
  }
  if (run.committed) {
    // The machine is in use: nothing is taken away from it any more.
    RETURN_IF_ERROR(store_.AddLog(lease.lease(), step.OnFailure(run, error)));
    RETURN_IF_ERROR(store_.End(lease.lease(), RunState::kSucceeded, true,
                               {absl::StrCat("sourceServers/", run.input.server, ": step ",
                                             step.name(), ": ", std::string(error.message()))}));
    run.state = RunState::kSucceeded;
    return absl::OkStatus();
  }
  std::vector<LogLine> log;
  if (kind != ErrorClass::kCancelled) log = step.OnFailure(run, error);
  log.push_back({.event = Event::kUndoStart,
                 .message = "what the job made is being removed",
                 .data = {{"step", std::string(step.name())}}});
  RETURN_IF_ERROR(store_.BeginUndo(lease.lease(), run.step,
                                   Annotate(error, absl::StrCat("step ", step.name())), log));
  run.state = RunState::kUndoing;
  run.error = error;
  run.tries = 0;
  // A caller in Forward returns to Execute, which goes on backwards.
  return absl::OkStatus();
}

absl::Status Executor::Back(const Plan& plan, Run& run, const HeldLease& lease) {
  for (; run.step >= 0; --run.step, run.tries = 0) {
    Step& step = *plan.steps[static_cast<std::size_t>(run.step)];
    StepResult result;
    absl::Status undone = absl::OkStatus();
    if (run.steps[static_cast<std::size_t>(run.step)].state != StepState::kWaiting) {
      StepContext context(store_, clock_, run, run.step, lease, stopping_, kUndoTimeout,
                          /*undoing=*/true);
      undone = context.Check();
      if (undone.ok())
        undone = GODWIT_FAILPOINT_STATUS(absl::StrCat("jobs.", step.name(), ".undo.before"));
      if (undone.ok()) undone = step.Undo(context);
      if (undone.ok())
        undone = GODWIT_FAILPOINT_STATUS(absl::StrCat("jobs.", step.name(), ".undo.after"));
      result = std::move(context.result);
    }
    result.outputs = run.outputs;
    if (undone.ok()) undone = store_.FinishUndo(lease.lease(), run.step, result);
    if (undone.ok()) continue;
    if (EndsAttempt(Classify(undone)) || run.tries + 1 < kUndoRetry.most_attempts) {
      return Later(run, lease, kUndoRetry, undone);
    }
    // Never a silent drop: what is left is named, and stays in the records.
    return store_.End(lease.lease(), RunState::kFailed, /*needs_operator=*/true,
                      {absl::StrCat("sourceServers/", run.input.server, ": could not undo step ",
                                    step.name(), ": ", std::string(undone.message()))});
  }
  run.state = RunState::kReporting;
  return absl::OkStatus();
}

absl::Status Executor::Report(const Plan& plan, Run& run, const HeldLease& lease) {
  const bool cancelled = absl::IsCancelled(run.error);
  std::vector<std::string> warnings;
  if (plan.on_failure != nullptr) {
    run.step = 0;
    StepContext context(store_, clock_, run, 0, lease, stopping_, kUndoTimeout, /*undoing=*/true);
    absl::Status told = context.Check();
    if (told.ok()) told = GODWIT_FAILPOINT_STATUS("jobs.report_failure.before");
    if (told.ok()) told = plan.on_failure->Do(context);
    const bool gone = absl::IsNotFound(told);  // nobody there to be told
    if (!told.ok() && !gone) {
      if (EndsAttempt(Classify(told)) || run.tries + 1 < kReportRetry.most_attempts) {
        return Later(run, lease, kReportRetry, told);
      }
      warnings.push_back(absl::StrCat("the failure of sourceServers/", run.input.server,
                                      " could not be reported: ", std::string(told.message())));
    }
  }
  GODWIT_FAILPOINT("jobs.end.before");
  RETURN_IF_ERROR(store_.End(lease.lease(), cancelled ? RunState::kCancelled : RunState::kFailed,
                             !warnings.empty(), warnings));
  GODWIT_FAILPOINT("jobs.end.after");
  return absl::OkStatus();
}

}  // namespace godwit::jobs
