// A claim locks the job first (without waiting, if it can), counts under that lock and takes a run
// with SKIP LOCKED: it never waits for a run while it holds a job, so it may lock in the other
// order than all others do.
#include "services/jobs/storage/claims.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

// Claim and rescue in one: what is due is due, whoever had it before. The time is that of the
// statement: a transaction may have waited for a job.
#define GODWIT_DUE                                     \
  "r.state < 5 AND r.due_at <= statement_timestamp() " \
  "AND r.type = ANY ($1::smallint[]) AND r.plan_version <= $2::int"
#define GODWIT_LEASED "l.owner IS NOT NULL AND l.state < 5 AND l.due_at > statement_timestamp()"
// The job whose run is due for the longest, of those that have less than $4 leased and are not $3.
constexpr pg::Statement kLook = {
    "jobs_claim_look",
    "SELECT r.job_id FROM jobs.run r WHERE " GODWIT_DUE
    " AND r.job_id <> ALL ($3::text[]) AND r.job_id <> ALL (ARRAY("
    "SELECT l.job_id FROM jobs.run l WHERE " GODWIT_LEASED
    " GROUP BY l.job_id HAVING count(*) >= $4::int)) ORDER BY r.due_at, r.id LIMIT 1"};
constexpr pg::Statement kEnter = {
    "jobs_claim_enter", "SELECT job_id FROM jobs.job WHERE job_id = $1 FOR UPDATE SKIP LOCKED"};
constexpr pg::Statement kWaitAtMost = {"jobs_claim_wait_at_most",
                                       "SELECT set_config('lock_timeout', $1, true)"};
constexpr pg::Statement kWait = {"jobs_claim_wait",
                                 "SELECT job_id FROM jobs.job WHERE job_id = $1 FOR UPDATE"};
// The job is locked, so whoever counts here sees all that claimed before. Always a row; the third
// column: the job may have another run and has one that is due.
constexpr pg::Statement kTake = {
    "jobs_claim_take",
    "WITH room AS (SELECT count(*) < $6::int AS has FROM jobs.run l "
    "WHERE l.job_id = $5 AND " GODWIT_LEASED
    "), due AS (SELECT r.id, coalesce(r.owner, '') AS before FROM jobs.run r "
    "WHERE r.job_id = $5 AND " GODWIT_DUE
    " AND (SELECT has FROM room) ORDER BY r.due_at, r.id LIMIT 1 FOR UPDATE SKIP LOCKED), "
    "taken AS (UPDATE jobs.run t SET epoch = t.epoch + 1, owner = $3, crashes = t.crashes + 1, "
    "state = CASE WHEN t.state = 1 THEN 2 ELSE t.state END, "
    "due_at = clock_timestamp() + $4::bigint * interval '1 millisecond' "
    "FROM due WHERE t.id = due.id RETURNING t.id, due.before) "
    "SELECT taken.id, taken.before, room.has AND EXISTS (SELECT FROM jobs.run r "
    "WHERE r.job_id = $5 AND " GODWIT_DUE ") FROM room LEFT JOIN taken ON true"};
constexpr pg::Statement kClaimed = {
    "jobs_claimed", "SELECT " GODWIT_RUN_COLUMNS " FROM jobs.run r WHERE r.id = $1::bigint"};
constexpr pg::Statement kFirstStart = {"jobs_first_start",
                                       "UPDATE jobs.job SET start_time = clock_timestamp() "
                                       "WHERE job_id = $1 AND start_time IS NULL"};

// How long a job is waited for: at first hardly, since another one may be free meanwhile.
constexpr absl::Duration kLeastOfJob = absl::Milliseconds(50);
constexpr absl::Duration kMostOfJob = absl::Milliseconds(500);
// All waits together: a third of a lease, whose time begins before the claim.
constexpr absl::Duration kMostOfClaim = absl::Seconds(5);
constexpr int kMostTurns = 1000;
// That others enter at one moment, one for each runner.
constexpr int kMostPassed = 100;

// Rolls back, which costs no flush; no error.
absl::Status NothingTaken() { return absl::CancelledError("nothing was taken"); }

// What a claim of a run means for its job.
absl::Status BeginJob(pg::Transaction& transaction, const std::string& job_id) {
  ASSIGN_OR_RETURN(const pg::Result started, transaction.Exec(kFirstStart, {job_id}));
  if (started.affected() != 0) {
    RETURN_IF_ERROR(
        AppendLog(transaction, job_id, "",
                  {{.event = Event::kJobStart, .message = "the job starts", .data = {}}}));
  }
  return Settle(transaction, job_id);
}

// The run of this id, with who had it before.
absl::StatusOr<Run> Load(pg::Transaction& transaction, std::int64_t id, absl::string_view owner) {
  ASSIGN_OR_RETURN(const pg::Result rows, transaction.Exec(kClaimed, {Number(id)}));
  if (rows.rows() != 1) return absl::InternalError("a run that was just taken is not there");
  std::vector<Run> runs(1);
  ASSIGN_OR_RETURN(runs[0], RunFromRow(rows, 0));
  runs[0].owner = std::string(owner);
  RETURN_IF_ERROR(LoadSteps(transaction.connection(), &runs));
  return std::move(runs[0]);
}

// How a job is looked for.
struct Way {
  int most_of_job = 1;
  absl::Duration wait;  // at most, for the first one; zero: those that are locked are passed over
};

enum class Outcome {
  kTaken,
  kNothing,    // there is none
  kOvertaken,  // somebody was faster: who looks again sees it
  kHeld,       // somebody holds the job, or what is due of it
};

struct Found {
  Outcome outcome = Outcome::kNothing;
  std::string job;  // the one that was tried; empty: none
  Run run;
};

// Locks `job`, waiting for it at most for `most`. False: it is held, or gone.
absl::StatusOr<bool> Await(pg::Transaction& transaction, const std::string& job,
                           absl::Duration most) {
  RETURN_IF_ERROR(
      transaction.Exec(kWaitAtMost, {Number(absl::ToInt64Milliseconds(most))}).status());
  const absl::StatusOr<pg::Result> entered = transaction.Exec(kWait, {job});
  if (absl::IsDeadlineExceeded(entered.status())) return false;
  RETURN_IF_ERROR(entered.status());
  return entered->rows() != 0;
}

// Locks the next job that is not `passed`. Puts it into `found`; ok: it is locked.
absl::Status Enter(pg::Transaction& transaction, const ClaimOrder& order, const Way& way,
                   std::vector<std::string> passed, Found* found) {
  for (int jobs = 0; jobs < kMostPassed; ++jobs) {
    ASSIGN_OR_RETURN(const pg::Result next,
                     transaction.Exec(kLook, {ArrayParam(order.types), Number(kPlanVersion),
                                              IdsOrNull(passed), Number(way.most_of_job)}));
    if (next.rows() == 0) return NothingTaken();
    const std::string job(next.Text(0, 0));
    if (way.wait > absl::ZeroDuration()) {
      found->job = job;
      ASSIGN_OR_RETURN(const bool entered, Await(transaction, job, way.wait));
      if (entered) return absl::OkStatus();
      found->outcome = Outcome::kHeld;
      return NothingTaken();
    }
    ASSIGN_OR_RETURN(const pg::Result entered, transaction.Exec(kEnter, {job}));
    if (entered.rows() != 0) {
      found->job = job;
      return absl::OkStatus();
    }
    passed.push_back(job);
  }
  return NothingTaken();
}

// Enters one job and takes one run of it, in one transaction.
absl::StatusOr<Found> Try(pg::Pool& pool, const ClaimOrder& order, const Way& way,
                          const std::vector<std::string>& held) {
  Found found;
  const absl::Status status = pool.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    found = Found();
    RETURN_IF_ERROR(Enter(transaction, order, way, held, &found));
    ASSIGN_OR_RETURN(
        const pg::Result taken,
        transaction.Exec(kTake, {ArrayParam(order.types), Number(kPlanVersion), order.owner,
                                 Number(absl::ToInt64Milliseconds(order.ttl)), found.job,
                                 Number(way.most_of_job)}));
    if (taken.IsNull(0, 0)) {
      found.outcome = taken.Bool(0, 2) ? Outcome::kHeld : Outcome::kOvertaken;
      return NothingTaken();
    }
    RETURN_IF_ERROR(BeginJob(transaction, found.job));
    ASSIGN_OR_RETURN(found.run, Load(transaction, taken.Int(0, 0), taken.Text(0, 1)));
    found.outcome = Outcome::kTaken;
    return absl::OkStatus();
  });
  if (!absl::IsCancelled(status)) RETURN_IF_ERROR(status);
  return found;
}

}  // namespace

absl::StatusOr<std::optional<Run>> ClaimOne(pg::Pool& pool, const ClaimOrder& order,
                                            bool may_wait) {
  const int most = order.most_of_job == 0 ? std::numeric_limits<int>::max() : order.most_of_job;
  std::vector<Way> ways;
  if (order.most_of_job != 0) ways.push_back({.most_of_job = 1});
  if (most > 1) ways.push_back({.most_of_job = most});
  if (may_wait) ways.push_back({.most_of_job = most, .wait = kLeastOfJob});
  absl::Duration& wait = ways.back().wait;
  std::vector<std::string> held;
  const absl::Time end = SteadyNow() + kMostOfClaim;
  // A turn without a run is one in which somebody else got one, or that adds to `held`.
  for (int turn = 0; turn < kMostTurns; ++turn) {
    Found found;
    for (const Way& way : ways) {
      ASSIGN_OR_RETURN(found, Try(pool, order, way, held));
      if (found.outcome != Outcome::kNothing) break;
    }
    if (found.outcome == Outcome::kTaken) return std::optional<Run>(std::move(found.run));
    if (found.outcome == Outcome::kOvertaken) continue;
    if (found.outcome == Outcome::kHeld) {
      held.push_back(found.job);
    } else if (may_wait && !held.empty() && wait < kMostOfJob) {
      held.clear();
      wait = std::min(4 * wait, kMostOfJob);
    } else {
      break;
    }
    if (SteadyNow() >= end) break;
  }
  return std::optional<Run>();
}

}  // namespace godwit::jobs
