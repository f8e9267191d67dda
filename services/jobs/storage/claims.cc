// A claim that keeps to shares locks the job first (without waiting, if it can), counts under that
// lock and takes a run with SKIP LOCKED: it never waits for a run while it holds a job, so it may
// lock in the other order than all others do.
#include "services/jobs/storage/claims.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
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
// Of what `due` locked.
#define GODWIT_TAKE                                                                  \
  "UPDATE jobs.run t SET epoch = t.epoch + 1, owner = $3, "                          \
  "crashes = t.crashes + 1, state = CASE WHEN t.state = 1 THEN 2 ELSE t.state END, " \
  "due_at = clock_timestamp() + $4::bigint * interval '1 millisecond' "              \
  "FROM due WHERE t.id = due.id RETURNING t.id, due.before, t.job_id"
// The job whose run is due for the longest, of those that have less than $4 leased and are not $3.
#define GODWIT_NEXT_JOB                                                     \
  "SELECT r.job_id FROM jobs.run r JOIN jobs.job j ON j.job_id = r.job_id " \
  "WHERE " GODWIT_DUE                                                       \
  " AND r.job_id <> ALL ($3::text[]) AND r.job_id <> ALL (ARRAY("           \
  "SELECT l.job_id FROM jobs.run l WHERE " GODWIT_LEASED                    \
  " GROUP BY l.job_id HAVING count(*) >= $4::int)) ORDER BY r.due_at, r.id LIMIT 1"

constexpr pg::Statement kClaim = {
    "jobs_claim",
    "WITH due AS (SELECT r.id, coalesce(r.owner, '') AS before FROM jobs.run r "
    "WHERE " GODWIT_DUE
    " ORDER BY r.due_at, r.id LIMIT $5::int FOR UPDATE SKIP LOCKED) " GODWIT_TAKE};
constexpr pg::Statement kLook = {"jobs_claim_look", GODWIT_NEXT_JOB};
constexpr pg::Statement kEnter = {"jobs_claim_enter",
                                  GODWIT_NEXT_JOB " FOR UPDATE OF j SKIP LOCKED"};
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
    "taken AS (" GODWIT_TAKE
    ") SELECT taken.id, taken.before, room.has AND EXISTS (SELECT FROM jobs.run r "
    "WHERE r.job_id = $5 AND " GODWIT_DUE ") FROM room LEFT JOIN taken ON true"};
constexpr pg::Statement kClaimed = {
    "jobs_claimed",
    "SELECT " GODWIT_RUN_COLUMNS " FROM jobs.run r WHERE r.id = ANY ($1::bigint[]) ORDER BY r.id"};
constexpr pg::Statement kFirstStart = {"jobs_first_start",
                                       "UPDATE jobs.job SET start_time = clock_timestamp() "
                                       "WHERE job_id = $1 AND start_time IS NULL"};

// How long a job is waited for: at first hardly, since another one may be free meanwhile.
constexpr absl::Duration kLeastOfJob = absl::Milliseconds(10);
constexpr absl::Duration kMostOfJob = absl::Milliseconds(500);
// All waits together: a third of a lease, whose time begins before the claim.
constexpr absl::Duration kMostOfClaim = absl::Seconds(5);
constexpr int kMostTurns = 1000;

// Rolls back, which costs no flush; no error.
absl::Status NothingTaken() { return absl::CancelledError("nothing was taken"); }

// What a claim of a run means for its job. Locks the job.
absl::Status BeginJob(pg::Transaction& transaction, const std::string& job_id) {
  ASSIGN_OR_RETURN(const pg::Result started, transaction.Exec(kFirstStart, {job_id}));
  if (started.affected() != 0) {
    RETURN_IF_ERROR(
        AppendLog(transaction, job_id, "",
                  {{.event = Event::kJobStart, .message = "the job starts", .data = {}}}));
  }
  return Settle(transaction, job_id);
}

// The runs of these ids, with who had each before.
absl::StatusOr<std::vector<Run>> Load(pg::Transaction& transaction,
                                      const std::map<std::int64_t, std::string>& owners) {
  std::vector<std::int64_t> ids;
  for (const auto& [id, owner] : owners) ids.push_back(id);
  ASSIGN_OR_RETURN(const pg::Result rows, transaction.Exec(kClaimed, {ArrayParam(ids)}));
  std::vector<Run> runs;
  for (int row = 0; row < rows.rows(); ++row) {
    ASSIGN_OR_RETURN(Run run, RunFromRow(rows, row));
    run.owner = owners.at(run.id);
    runs.push_back(std::move(run));
  }
  RETURN_IF_ERROR(LoadSteps(transaction.connection(), &runs));
  return runs;
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
  std::vector<Run> runs;
};

// Locks the next job. Puts it into `found`; ok: it is locked.
absl::Status Enter(pg::Transaction& transaction, const ClaimOrder& order, const Way& way,
                   const std::vector<std::string>& held, Found* found) {
  const bool wait = way.wait > absl::ZeroDuration();
  ASSIGN_OR_RETURN(
      const pg::Result next,
      transaction.Exec(wait ? kLook : kEnter, {ArrayParam(order.types), Number(kPlanVersion),
                                               IdsOrNull(held), Number(way.most_of_job)}));
  if (next.rows() == 0) return NothingTaken();
  found->job = std::string(next.Text(0, 0));
  if (!wait) return absl::OkStatus();
  RETURN_IF_ERROR(
      transaction.Exec(kWaitAtMost, {Number(absl::ToInt64Milliseconds(way.wait))}).status());
  const absl::StatusOr<pg::Result> entered = transaction.Exec(kWait, {found->job});
  if (absl::IsDeadlineExceeded(entered.status())) {
    found->outcome = Outcome::kHeld;
    return NothingTaken();
  }
  RETURN_IF_ERROR(entered.status());
  if (entered->rows() != 0) return absl::OkStatus();
  found->outcome = Outcome::kOvertaken;  // the job is gone
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
    ASSIGN_OR_RETURN(found.runs,
                     Load(transaction, {{taken.Int(0, 0), std::string(taken.Text(0, 1))}}));
    found.outcome = Outcome::kTaken;
    return absl::OkStatus();
  });
  if (!absl::IsCancelled(status)) RETURN_IF_ERROR(status);
  return found;
}

}  // namespace

absl::StatusOr<std::vector<Run>> ClaimInOrder(pg::Pool& pool, const ClaimOrder& order) {
  std::vector<Run> runs;
  RETURN_IF_ERROR(pool.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    runs.clear();
    ASSIGN_OR_RETURN(
        const pg::Result due,
        transaction.Exec(kClaim,
                         {ArrayParam(order.types), Number(kPlanVersion), order.owner,
                          Number(absl::ToInt64Milliseconds(order.ttl)), Number(order.limit)}));
    if (due.rows() == 0) return absl::OkStatus();
    std::map<std::int64_t, std::string> owners;
    for (int row = 0; row < due.rows(); ++row) {
      owners[due.Int(row, 0)] = std::string(due.Text(row, 1));
      RETURN_IF_ERROR(BeginJob(transaction, std::string(due.Text(row, 2))));
    }
    ASSIGN_OR_RETURN(runs, Load(transaction, owners));
    return absl::OkStatus();
  }));
  return runs;
}

absl::StatusOr<std::optional<Run>> ClaimShare(pg::Pool& pool, const ClaimOrder& order,
                                              bool may_wait) {
  std::vector<Way> ways = {{.most_of_job = 1}};
  if (order.most_of_job > 1) ways.push_back({.most_of_job = order.most_of_job});
  if (may_wait) ways.push_back({.most_of_job = order.most_of_job, .wait = kLeastOfJob});
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
    if (found.outcome == Outcome::kTaken) return std::optional<Run>(std::move(found.runs.front()));
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
