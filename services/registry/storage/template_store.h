// Templates of settings in PostgreSQL. Functions work on the connection of the caller's
// transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

struct Template {
  std::string id;
  std::int64_t version = 0;
  // JSON documents; the last two are tags of the template's halves themselves.
  std::string replication = "{}", launch = "{}", tags = "{}";
  std::string replication_tags = "{}", launch_tags = "{}";
};

inline constexpr char kDefaultTemplate[] = "default";

// NOT_FOUND "settingsTemplates/...". The second one locks.
absl::StatusOr<Template> GetTemplate(pg::Connection& connection, const std::string& id);
absl::StatusOr<Template> LockTemplate(pg::Connection& connection, const std::string& id);
// ALREADY_EXISTS: the id is taken.
absl::StatusOr<Template> InsertTemplate(pg::Connection& connection, const Template& row);
absl::StatusOr<Template> SaveTemplate(pg::Connection& connection, const Template& row);
absl::Status DeleteTemplate(pg::Connection& connection, const std::string& id);
// By id, above `after_id`.
absl::StatusOr<std::vector<Template>> ListTemplates(pg::Connection& connection,
                                                    const std::string& after_id, int limit);

}  // namespace godwit::registry::storage
