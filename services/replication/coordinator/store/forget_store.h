// Replications whose source server is gone for good. Functions work in the caller's transaction.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"

namespace godwit::coordinator::store {

// Ids after `after`, in order, of replications that hold nothing any more: disconnected, without a
// lease, without staging in any store, without clones, open orders and verifications (whose signed
// reports are kept for longer), and untouched for `age`.
absl::StatusOr<std::vector<std::string>> ListSpent(pg::Connection& connection, absl::Duration age,
                                                   const std::string& after, int limit);
// Deletes those of `ids` that are so still, with all that hangs on them; their ids. One that
// somebody else has locked stays.
absl::StatusOr<std::vector<std::string>> ForgetSpent(pg::Connection& connection, absl::Duration age,
                                                     const std::vector<std::string>& ids);

}  // namespace godwit::coordinator::store
