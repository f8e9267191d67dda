// Database schemas, one per service, brought up to date by numbered SQL files that are part of the
// program.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"

namespace godwit::pg {

// services/<schema>/migrations/NNNN_name.sql
struct Migration {
  const char* schema;
  int version;  // from 1; gaps are fine, and may be filled later
  const char* name;
  const char* sql;
};

// All of this program, by schema and version.
const std::vector<Migration>& Migrations();

// Applies what is missing, each in a transaction of its own with search_path set to its schema, one
// migrator at a time (advisory lock). Returns "schema/NNNN_name" of what was applied.
// FAILED_PRECONDITION when an applied file was changed since, or when the database is of a newer
// program.
absl::StatusOr<std::vector<std::string>> Migrate(
    Connection& connection, const std::vector<Migration>& migrations = Migrations());

}  // namespace godwit::pg
