// Access keys in PostgreSQL. Functions work on the connection of the caller's transaction.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/access_key.h"

namespace godwit::registry::storage {

struct AccessKeyLimits {
  int of_principal = 10;
  int all = 1000;
};

// FAILED_PRECONDITION: the principal, or the installation, has as many as it may. Inserts wait for
// each other, so the limits hold whoever else inserts.
absl::StatusOr<AccessKey> InsertAccessKey(pg::Connection& connection, const AccessKey& key,
                                          const AccessKeyLimits& limits);
// NOT_FOUND "accessKeys/GWAK...".
absl::StatusOr<AccessKey> GetAccessKey(pg::Connection& connection, const std::string& id);
// The same, locked until the transaction ends.
absl::StatusOr<AccessKey> LockAccessKey(pg::Connection& connection, const std::string& id);
// Oldest first, after (time, id) of the last one of the page before; of one principal unless empty.
absl::StatusOr<std::vector<AccessKey>> ListAccessKeys(pg::Connection& connection,
                                                      const std::string& principal,
                                                      absl::Time after_time,
                                                      const std::string& after_id, int limit);
// Of a locked key: description, lifecycle_profile, disabled, and the secret's wrapping. Gives it
// with its next version.
absl::StatusOr<AccessKey> SaveAccessKey(pg::Connection& connection, const AccessKey& key);
absl::Status DeleteAccessKey(pg::Connection& connection, const std::string& id);
// Notes that the key is in use, once an hour.
absl::Status TouchAccessKey(pg::Connection& connection, const std::string& id);
// Keys that another master key than this one wraps, at most `limit`.
absl::StatusOr<std::vector<AccessKey>> AccessKeysNotWrappedBy(pg::Connection& connection,
                                                              const std::string& master_key,
                                                              int limit);

}  // namespace godwit::registry::storage
