// How due runs are claimed. Thread-safe: each call has transactions of its own.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/jobs/app/job_store.h"

namespace godwit::jobs {

// In the order they became due, whatever their jobs; one transaction. What others hold is passed
// over.
absl::StatusOr<std::vector<Run>> ClaimInOrder(pg::Pool& pool, const ClaimOrder& order);

// One run of a job that has less than `order.most_of_job` of them leased, at first of one that has
// none. Jobs that others enter at this moment are passed over as long as another one has something
// due.
//
// Nothing: at a moment of the call there was no due run that a runner could have. With `may_wait`
// jobs that others are entering are waited for, half a second each and five seconds together at
// most; what is held for longer counts as had.
absl::StatusOr<std::optional<Run>> ClaimShare(pg::Pool& pool, const ClaimOrder& order,
                                              bool may_wait);

}  // namespace godwit::jobs
