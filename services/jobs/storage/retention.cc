#include "services/jobs/storage/retention.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kForgetWaveRuns = {
    "jobs_forget_wave_runs",
    "DELETE FROM jobs.wave_run WHERE run_id IN (SELECT run_id FROM jobs.wave_run "
    "WHERE state >= 6 AND end_time < now() - $1::bigint * interval '1 millisecond' "
    "ORDER BY end_time LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"};
// A run's machine_id is empty once its machine is gone.
constexpr pg::Statement kForgetJobs = {
    "jobs_forget_jobs",
    "DELETE FROM jobs.job WHERE job_id IN (SELECT j.job_id FROM jobs.job j "
    "WHERE j.state >= 4 AND j.end_time < now() - $1::bigint * interval '1 millisecond' "
    "AND NOT EXISTS (SELECT FROM jobs.run r WHERE r.job_id = j.job_id "
    "AND (r.machine_id <> '' OR r.needs_operator)) "
    "AND NOT EXISTS (SELECT FROM jobs.wave_run w JOIN jobs.wave_member m ON m.run_id = w.run_id "
    "WHERE w.state < 6 AND j.job_id IN (m.job, m.remove_job)) "
    "ORDER BY j.end_time LIMIT $2::bigint FOR UPDATE OF j SKIP LOCKED)"};

absl::StatusOr<std::int64_t> Forget(pg::Pool& pool, const pg::Statement& statement,
                                    absl::Duration age, int most) {
  ASSIGN_OR_RETURN(const pg::Result deleted,
                   pool.Exec(statement, {Number(absl::ToInt64Milliseconds(age)), Number(most)}));
  return deleted.affected();
}

}  // namespace

absl::StatusOr<std::int64_t> ForgetWaveRuns(pg::Pool& pool, absl::Duration age, int most) {
  return Forget(pool, kForgetWaveRuns, age, most);
}

absl::StatusOr<std::int64_t> ForgetJobs(pg::Pool& pool, absl::Duration age, int most) {
  return Forget(pool, kForgetJobs, age, most);
}

Retention::Retention(pg::Pool& pool, RetentionOptions options)
    : pool_(pool), options_(options), thread_([this] { Loop(); }) {}

Retention::~Retention() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool Retention::Stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Retention::Look() {
  const auto all = [this](absl::string_view what, const auto& forget, absl::Duration age) {
    std::int64_t total = 0;
    while (!Stopping()) {
      const absl::StatusOr<std::int64_t> count = forget(pool_, age, options_.batch);
      if (!count.ok()) {
        Log(Severity::kWarning, "what is too old cannot be deleted",
            {{"what", std::string(what)}, {"error", count.status().ToString()}});
        break;
      }
      total += *count;
      if (*count < options_.batch) break;
    }
    if (total == 0) return;
    Log(Severity::kInfo, "deleted what is too old",
        {{"what", std::string(what)}, {"count", absl::StrCat(total)}});
  };
  all("wave runs", ForgetWaveRuns, options_.wave_runs);
  all("jobs", ForgetJobs, options_.jobs);
}

void Retention::Loop() {
  while (!Stopping()) {
    Look();
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.look);
  }
}

}  // namespace godwit::jobs
