// What is used of the quotas of jobs. Errors are those of pg::Connection::Exec.
#pragma once

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/jobs/domain/quotas.h"

namespace godwit::jobs {

absl::StatusOr<JobUse> CountUse(pg::Connection& connection);
// In a transaction: nobody else who makes a job gets past this call until it ends, so that what is
// decided on a count of the same transaction holds.
absl::Status LockUse(pg::Connection& connection);

}  // namespace godwit::jobs
