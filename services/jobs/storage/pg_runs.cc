// The runner's side of PgJobStore: claims and renewals.
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/storage/claims.h"
#include "services/jobs/storage/pg_job_store.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kRenew = {
    "jobs_renew",
    "UPDATE jobs.run SET due_at = clock_timestamp() + $3::bigint * interval '1 millisecond' "
    "WHERE id = $1::bigint AND epoch = $2::bigint AND owner IS NOT NULL AND state < 5 "
    "RETURNING cancel_requested"};

}  // namespace

absl::StatusOr<std::vector<Run>> PgJobStore::Claim(const ClaimOrder& order) {
  std::vector<Run> runs;
  // One at a time, so that each sees the one before; who has something waits for no more.
  while (static_cast<int>(runs.size()) < order.limit) {
    absl::StatusOr<std::optional<Run>> run = ClaimOne(pool_, order, /*may_wait=*/runs.empty());
    if (!run.ok() && runs.empty()) return run.status();
    if (!run.ok() || !run->has_value()) break;
    runs.push_back(**std::move(run));
  }
  if (!runs.empty()) GODWIT_FAILPOINT("jobs.claimed");
  return runs;
}

absl::StatusOr<Renewal> PgJobStore::Renew(const Lease& lease, absl::Duration ttl) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   renewals_.Exec(kRenew, {Number(lease.run_id), Number(lease.epoch),
                                           Number(absl::ToInt64Milliseconds(ttl))}));
  if (rows.rows() == 0) return Renewal{};
  return Renewal{.held = true, .cancel_requested = rows.Bool(0, 0)};
}

}  // namespace godwit::jobs
