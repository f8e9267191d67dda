// How due runs are claimed. Thread-safe: each call has transactions of its own.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/jobs/app/job_store.h"

namespace godwit::jobs {

// One run: of a job that has none leased, if there is one, else of one that has less than
// `order.most_of_job`; of any job when that is 0. Of these the one that is due for the longest.
// Jobs that others enter at this moment are passed over as long as another one has something due.
//
// Nothing: at a moment of the call there was no due run that a runner could have. With `may_wait`
// jobs that others are entering are waited for, half a second each and five seconds together at
// most; what is held for longer counts as had.
absl::StatusOr<std::optional<Run>> ClaimOne(pg::Pool& pool, const ClaimOrder& order, bool may_wait);

}  // namespace godwit::jobs
