// The runner's side of PgWaveStore: claims, renewals, and writes under a lease.
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/storage/pg_wave_store.h"
#include "services/jobs/storage/rows.h"
#include "services/jobs/storage/wave_rows.h"

namespace godwit::jobs {
namespace {

// Claim and rescue in one: what is due is due, whoever had it before.
constexpr pg::Statement kClaim = {
    "wave_claim",
    "WITH due AS (SELECT run_id, coalesce(owner, '') AS before FROM jobs.wave_run "
    "WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) "
    "UPDATE jobs.wave_run w SET generation = w.generation + 1, owner = $1, "
    "due_at = clock_timestamp() + $2::bigint * interval '1 millisecond' "
    "FROM due WHERE w.run_id = due.run_id RETURNING w.run_id, w.generation, due.before"};
constexpr pg::Statement kRenew = {
    "wave_renew",
    "UPDATE jobs.wave_run SET due_at = clock_timestamp() + $3::bigint * interval '1 millisecond' "
    "WHERE run_id = $1 AND generation = $2::bigint AND owner IS NOT NULL"};
constexpr pg::Statement kLockHeld = {
    "wave_lock_held", "SELECT " GODWIT_WAVE_RUN_COLUMNS
                      " FROM jobs.wave_run w WHERE w.run_id = $1 AND w.generation = $2::bigint "
                      "AND w.owner IS NOT NULL FOR UPDATE"};
// What waits for an operator (states 3 and 4) or has ended is not due: whoever changes it wakes it.
// While a server of it is in flight (states 2 to 4 of members) somebody has to look after that.
constexpr pg::Statement kRelease = {
    "wave_release",
    "UPDATE jobs.wave_run w SET owner = NULL, due_at = CASE WHEN state >= 6 OR (state IN (3, 4) "
    "AND NOT EXISTS (SELECT FROM jobs.wave_member m WHERE m.run_id = w.run_id "
    "AND m.state BETWEEN 2 AND 4)) THEN NULL ELSE clock_timestamp() + $3::bigint * interval '1 "
    "millisecond' END "
    "WHERE run_id = $1 AND generation = $2::bigint AND owner IS NOT NULL"};

std::string Millis(absl::Duration duration) { return Number(absl::ToInt64Milliseconds(duration)); }

}  // namespace

absl::StatusOr<std::optional<ClaimedWaveRun>> PgWaveStore::Claim(const std::string& owner,
                                                                 absl::Duration ttl) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kClaim, {owner, Millis(ttl)}));
  if (rows.rows() == 0) return std::optional<ClaimedWaveRun>();
  return std::optional<ClaimedWaveRun>(ClaimedWaveRun{
      .lease = {.run_id = std::string(rows.Text(0, 0)), .generation = rows.Int(0, 1)},
      .before = std::string(rows.Text(0, 2))});
}

absl::Status PgWaveStore::Renew(const WaveLease& lease, absl::Duration ttl) {
  ASSIGN_OR_RETURN(const pg::Result renewed,
                   pool_.Exec(kRenew, {lease.run_id, Number(lease.generation), Millis(ttl)}));
  return renewed.affected() == 0 ? LostLease() : absl::OkStatus();
}

absl::StatusOr<WaveRun> PgWaveStore::Modify(const WaveLease& lease, absl::Duration ttl,
                                            const DecideWave& decide) {
  WaveRun after;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const pg::Result rows,
                     transaction.Exec(kLockHeld, {lease.run_id, Number(lease.generation)}));
    if (rows.rows() == 0) return LostLease();
    std::int64_t key = 0;
    ASSIGN_OR_RETURN(WaveRun before, WaveRunFromRow(rows, 0, &key));
    RETURN_IF_ERROR(LoadGroups(transaction.connection(), &before));
    after = before;
    std::vector<WaveEvent> events;
    RETURN_IF_ERROR(decide(after, events));
    RETURN_IF_ERROR(SaveWaveRun(transaction, before, after, events));
    return transaction.Exec(kRenew, {lease.run_id, Number(lease.generation), Millis(ttl)}).status();
  }));
  return after;
}

absl::Status PgWaveStore::Release(const WaveLease& lease, absl::Duration delay) {
  ASSIGN_OR_RETURN(const pg::Result released,
                   pool_.Exec(kRelease, {lease.run_id, Number(lease.generation), Millis(delay)}));
  return released.affected() == 0 ? LostLease() : absl::OkStatus();
}

}  // namespace godwit::jobs
