// The runner's side of PgJobStore: what is written under a lease. Every write begins by locking the
// run under the epoch it was claimed with; no row, no write.
#include <functional>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/storage/codec.h"
#include "services/jobs/storage/pg_job_store.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

constexpr int kAnyStep = -1;
constexpr std::size_t kMostMessage = 2048;

constexpr pg::Statement kHold = {
    "jobs_hold",
    "SELECT job_id, server, step, state, cancel_requested, committed, type FROM jobs.run "
    "WHERE id = $1::bigint AND epoch = $2::bigint AND owner IS NOT NULL AND state < 5 "
    "FOR UPDATE"};
constexpr pg::Statement kCommitted = {"jobs_committed",
                                      "UPDATE jobs.run SET committed = true WHERE id = $1::bigint"};
constexpr pg::Statement kBegin = {
    "jobs_begin_step",
    "UPDATE jobs.step SET state = 2, attempts = attempts + 1, "
    "start_time = coalesce(start_time, clock_timestamp()), end_time = NULL "
    "WHERE run_id = $1::bigint AND index = $2::int RETURNING attempts"};
constexpr pg::Statement kOutputs = {
    "jobs_outputs", "UPDATE jobs.run SET outputs = $2::jsonb WHERE id = $1::bigint"};
constexpr pg::Statement kProgress = {
    "jobs_progress",
    "UPDATE jobs.step SET message = $3, done_bytes = $4::bigint, total_bytes = $5::bigint "
    "WHERE run_id = $1::bigint AND index = $2::int"};
constexpr pg::Statement kStepDone = {
    "jobs_step_done",
    "UPDATE jobs.step SET state = $3::smallint, end_time = clock_timestamp(), message = $4, "
    "done_bytes = total_bytes WHERE run_id = $1::bigint AND index = $2::int"};
constexpr pg::Statement kNextStep = {
    "jobs_next_step",
    "UPDATE jobs.run SET step = $2::int, outputs = $3::jsonb, tries = 0, crashes = 1, "
    "launch_status = coalesce($4::smallint, launch_status), "
    "machine_id = coalesce($5, machine_id) WHERE id = $1::bigint"};
constexpr pg::Statement kRemoved = {
    "jobs_removed",
    "UPDATE jobs.run SET machine_id = '', launch_status = 5 WHERE machine_id = $1 "
    "RETURNING job_id"};
constexpr pg::Statement kStepMessage = {
    "jobs_step_message",
    "UPDATE jobs.step SET message = $3 WHERE run_id = $1::bigint AND index = $2::int"};
constexpr pg::Statement kLater = {
    "jobs_later",
    "UPDATE jobs.run SET owner = NULL, crashes = 0, tries = tries + $2::int, "
    "due_at = clock_timestamp() + $3::bigint * interval '1 millisecond' WHERE id = $1::bigint"};
constexpr pg::Statement kNoAttempt = {
    "jobs_no_attempt",
    "UPDATE jobs.step SET message = $3, attempts = greatest(attempts - 1, 1) "
    "WHERE run_id = $1::bigint AND index = $2::int"};
// A run that is cancelled while it waits does not wait.
constexpr pg::Statement kNow = {
    "jobs_now",
    "UPDATE jobs.run SET due_at = clock_timestamp() "
    "WHERE id = $1::bigint AND cancel_requested AND state = 2 AND NOT committed"};
constexpr pg::Statement kStepFailed = {
    "jobs_step_failed",
    "UPDATE jobs.step SET state = 4, end_time = clock_timestamp(), message = $3 "
    "WHERE run_id = $1::bigint AND index = $2::int AND state = 2"};
constexpr pg::Statement kUndoing = {
    "jobs_undoing",
    "UPDATE jobs.run SET state = 3, error_code = $2::int, error_message = $3, tries = 0, "
    "crashes = 1 WHERE id = $1::bigint"};
constexpr pg::Statement kStepUndone = {
    "jobs_step_undone",
    "UPDATE jobs.step SET state = 6, end_time = coalesce(end_time, clock_timestamp()) "
    "WHERE run_id = $1::bigint AND index = $2::int AND state IN (2, 3)"};
constexpr pg::Statement kUndone = {
    "jobs_undone",
    "UPDATE jobs.run SET step = greatest($2::int - 1, 0), outputs = $3::jsonb, tries = 0, "
    "crashes = 1, state = CASE WHEN $2::int <= 0 THEN 4 ELSE state END, "
    "machine_id = coalesce($4, machine_id) WHERE id = $1::bigint"};
constexpr pg::Statement kEnd = {
    "jobs_end",
    "UPDATE jobs.run SET state = $2::smallint, needs_operator = $3::bool, owner = NULL, "
    "launch_status = CASE WHEN type IN (1, 2) AND $2::smallint <> 5 THEN 4 ELSE launch_status END "
    "WHERE id = $1::bigint"};
constexpr pg::Statement kLeftOpen = {"jobs_left_open",
                                     "UPDATE jobs.step SET state = 4, end_time = clock_timestamp() "
                                     "WHERE run_id = $1::bigint AND state = 2"};
constexpr pg::Statement kWarn = {
    "jobs_warn",
    "UPDATE jobs.job SET warnings = warnings || $2::jsonb, version = version + 1 "
    "WHERE job_id = $1"};

// The locked run.
struct Held {
  std::string job_id, server;
  bool cancel_requested = false, committed = false;
};
using Body = std::function<absl::Status(pg::Transaction&, const Held&)>;

// `step` is the one the caller believes the run to be at.
absl::Status Write(pg::Pool& pool, const Lease& lease, int step, const Body& body) {
  return pool.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const pg::Result run,
                     transaction.Exec(kHold, {Number(lease.run_id), Number(lease.epoch)}));
    if (run.rows() == 0) return LostLease();
    if (step != kAnyStep && run.Int(0, 2) != step) return LostLease();
    return body(transaction, {.job_id = std::string(run.Text(0, 0)),
                              .server = std::string(run.Text(0, 1)),
                              .cancel_requested = run.Bool(0, 4),
                              .committed = run.Bool(0, 5)});
  });
}

pg::Param Optional(const std::optional<std::string>& value) { return value; }

absl::Status MarkRemoved(pg::Transaction& transaction, const std::vector<std::string>& machines) {
  for (const std::string& machine : machines) {
    ASSIGN_OR_RETURN(const pg::Result launch, transaction.Exec(kRemoved, {machine}));
    for (int row = 0; row < launch.rows(); ++row) {
      RETURN_IF_ERROR(Touch(transaction, std::string(launch.Text(row, 0))));
    }
  }
  return absl::OkStatus();
}

constexpr std::size_t kMostScreenshot = 2u << 20;
constexpr pg::Statement kSaveScreenshot{
    "jobs_save_screenshot",
    "INSERT INTO jobs.screenshot (run_id, png) VALUES ($1::bigint, $2::bytea) "
    "ON CONFLICT (run_id) DO UPDATE SET png = excluded.png, time = clock_timestamp()"};

}  // namespace

absl::StatusOr<int> PgJobStore::BeginStep(const Lease& lease, int step, bool commit_point,
                                          const std::vector<LogLine>& log) {
  int attempt = 0;
  const std::string run = Number(lease.run_id);
  RETURN_IF_ERROR(Write(
      pool_, lease, step, [&](pg::Transaction& transaction, const Held& held) -> absl::Status {
        if (held.cancel_requested && !held.committed) return CancelRequested();
        if (commit_point) {
          RETURN_IF_ERROR(transaction.Exec(kCommitted, {run}).status());
        }
        ASSIGN_OR_RETURN(const pg::Result begun, transaction.Exec(kBegin, {run, Number(step)}));
        if (begun.rows() == 0) {
          return Permanent(absl::InternalError("the run has no such step"));
        }
        attempt = static_cast<int>(begun.Int(0, 0));
        RETURN_IF_ERROR(AppendLog(transaction, held.job_id, held.server, log));
        return Touch(transaction, held.job_id);
      }));
  return attempt;
}

absl::Status PgJobStore::SaveProgress(const Lease& lease, int step, const Outputs& outputs,
                                      const std::string& message, std::int64_t done_bytes,
                                      std::int64_t total_bytes) {
  const std::string run = Number(lease.run_id);
  return Write(pool_, lease, step, [&](pg::Transaction& transaction, const Held& held) {
    RETURN_IF_ERROR(transaction.Exec(kOutputs, {run, MapToJson(outputs)}).status());
    RETURN_IF_ERROR(transaction
                        .Exec(kProgress, {run, Number(step), Clean(message, kMostMessage),
                                          Number(done_bytes), Number(total_bytes)})
                        .status());
    return Touch(transaction, held.job_id);
  });
}

absl::Status PgJobStore::AddLog(const Lease& lease, const std::vector<LogLine>& log) {
  return Write(pool_, lease, kAnyStep, [&](pg::Transaction& transaction, const Held& held) {
    return AppendLog(transaction, held.job_id, held.server, log);
  });
}

absl::Status PgJobStore::SaveScreenshot(const Lease& lease, const std::string& png) {
  if (png.size() > kMostScreenshot)
    return absl::InvalidArgumentError("a screen above 2 MiB is not kept");
  return Write(pool_, lease, kAnyStep, [&](pg::Transaction& transaction, const Held&) {
    return transaction.Exec(kSaveScreenshot, {Number(lease.run_id), pg::BytesParam(png)}).status();
  });
}

absl::Status PgJobStore::FinishStep(const Lease& lease, int step, const StepResult& result) {
  const std::string run = Number(lease.run_id);
  return Write(pool_, lease, step, [&](pg::Transaction& transaction, const Held& held) {
    RETURN_IF_ERROR(transaction
                        .Exec(kStepDone, {run, Number(step), EnumParam(result.state),
                                          Clean(result.message, kMostMessage)})
                        .status());
    const pg::Param status = result.launch_status.has_value()
                                 ? pg::Param(EnumParam(*result.launch_status))
                                 : std::nullopt;
    RETURN_IF_ERROR(transaction
                        .Exec(kNextStep, {run, Number(step + 1), MapToJson(result.outputs), status,
                                          Optional(result.machine_id)})
                        .status());
    RETURN_IF_ERROR(MarkRemoved(transaction, result.removed_machines));
    RETURN_IF_ERROR(AppendLog(transaction, held.job_id, held.server, result.log));
    return Touch(transaction, held.job_id);
  });
}

absl::Status PgJobStore::Wait(const Lease& lease, int step, absl::Duration delay,
                              const std::string& message) {
  const std::string run = Number(lease.run_id);
  return Write(pool_, lease, step, [&](pg::Transaction& transaction, const Held& held) {
    RETURN_IF_ERROR(
        transaction.Exec(kNoAttempt, {run, Number(step), Clean(message, kMostMessage)}).status());
    RETURN_IF_ERROR(
        transaction.Exec(kLater, {run, "0", Number(absl::ToInt64Milliseconds(delay))}).status());
    RETURN_IF_ERROR(transaction.Exec(kNow, {run}).status());
    return Touch(transaction, held.job_id);
  });
}

absl::Status PgJobStore::Retry(const Lease& lease, int step, absl::Duration delay,
                               const std::string& message) {
  const std::string run = Number(lease.run_id);
  const std::string text = Clean(message, kMostMessage);
  return Write(pool_, lease, kAnyStep, [&](pg::Transaction& transaction, const Held& held) {
    RETURN_IF_ERROR(transaction.Exec(kStepMessage, {run, Number(step), text}).status());
    RETURN_IF_ERROR(
        transaction.Exec(kLater, {run, "1", Number(absl::ToInt64Milliseconds(delay))}).status());
    RETURN_IF_ERROR(transaction.Exec(kNow, {run}).status());
    return AppendLog(transaction, held.job_id, held.server,
                     {{.event = Event::kStepRetry,
                       .message = text,
                       .data = {{"wait", absl::FormatDuration(delay)}}}});
  });
}

absl::Status PgJobStore::Release(const Lease& lease) {
  return Write(pool_, lease, kAnyStep, [&](pg::Transaction& transaction, const Held&) {
    return transaction.Exec(kLater, {Number(lease.run_id), "0", "0"}).status();
  });
}

absl::Status PgJobStore::BeginUndo(const Lease& lease, int step, const absl::Status& error,
                                   const std::vector<LogLine>& log) {
  const std::string run = Number(lease.run_id);
  const std::string text = Clean(error.message(), kMostMessage);
  return Write(pool_, lease, step, [&](pg::Transaction& transaction, const Held& held) {
    if (Classify(error) != ErrorClass::kCancelled) {
      RETURN_IF_ERROR(transaction.Exec(kStepFailed, {run, Number(step), text}).status());
    }
    RETURN_IF_ERROR(
        transaction.Exec(kUndoing, {run, Number(static_cast<int>(error.code())), text}).status());
    RETURN_IF_ERROR(AppendLog(transaction, held.job_id, held.server, log));
    return Touch(transaction, held.job_id);
  });
}

absl::Status PgJobStore::FinishUndo(const Lease& lease, int step, const StepResult& result) {
  const std::string run = Number(lease.run_id);
  return Write(pool_, lease, step, [&](pg::Transaction& transaction, const Held& held) {
    RETURN_IF_ERROR(transaction.Exec(kStepUndone, {run, Number(step)}).status());
    RETURN_IF_ERROR(transaction
                        .Exec(kUndone, {run, Number(step), MapToJson(result.outputs),
                                        Optional(result.machine_id)})
                        .status());
    std::vector<LogLine> log = result.log;
    if (step <= 0) {
      log.push_back(
          {.event = Event::kUndoEnd, .message = "what the job made has been removed", .data = {}});
    }
    RETURN_IF_ERROR(AppendLog(transaction, held.job_id, held.server, log));
    return Touch(transaction, held.job_id);
  });
}

absl::Status PgJobStore::End(const Lease& lease, RunState state, bool needs_operator,
                             const std::vector<std::string>& warnings) {
  const std::string run = Number(lease.run_id);
  return Write(pool_, lease, kAnyStep, [&](pg::Transaction& transaction, const Held& held) {
    RETURN_IF_ERROR(
        transaction.Exec(kEnd, {run, EnumParam(state), needs_operator ? "true" : "false"})
            .status());
    RETURN_IF_ERROR(transaction.Exec(kLeftOpen, {run}).status());
    if (!warnings.empty()) {
      RETURN_IF_ERROR(transaction.Exec(kWarn, {held.job_id, ListToJson(warnings)}).status());
    }
    return Settle(transaction, held.job_id);
  });
}

}  // namespace godwit::jobs
