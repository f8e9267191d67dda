// Applications and waves in PostgreSQL: the same columns, one table each. Functions work on the
// connection of the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/group_status.h"

namespace godwit::registry::storage {

enum class GroupKind { kApplication, kWave };

struct Group {
  std::string id;
  std::int64_t version = 0;
  std::string display_name, description;
  std::string tags = "{}";  // JSON document
  bool archived = false;
  std::string wave;  // of applications
  absl::Time create_time, update_time;
  GroupFacts facts;  // only where said
};

// With facts. NOT_FOUND "applications/app-...".
absl::StatusOr<Group> GetGroup(pg::Connection& connection, GroupKind kind, const std::string& id);
// The same without facts, locked until the transaction ends.
absl::StatusOr<Group> LockGroup(pg::Connection& connection, GroupKind kind, const std::string& id);
absl::StatusOr<Group> InsertGroup(pg::Connection& connection, GroupKind kind, const Group& group);
// As the next version.
absl::StatusOr<Group> SaveGroup(pg::Connection& connection, GroupKind kind, const Group& group);
absl::Status DeleteGroup(pg::Connection& connection, GroupKind kind, const std::string& id);

struct GroupQuery {
  bool show_archived = false;
  std::optional<bool> archived;    // counts before show_archived
  std::vector<std::string> ids;    // empty: all
  std::vector<std::string> waves;  // of applications; empty: all
  std::string scope_of;            // what this user is limited to; empty: nobody's scope counts
  absl::Time after_time;
  std::string after_id;  // empty: from the start
  int limit = 50;
};
// Oldest first, with facts: one query.
absl::StatusOr<std::vector<Group>> ListGroups(pg::Connection& connection, GroupKind kind,
                                              const GroupQuery& query);

// How many groups there are, archived or active ones.
absl::StatusOr<std::int64_t> CountGroups(pg::Connection& connection, GroupKind kind, bool archived);
// Nobody else counts to decide until the transaction ends, so that a limit holds. Lock groups
// before, never after it.
absl::Status LockCount(pg::Connection& connection, GroupKind kind);

// Ids of the members, ascending: servers of an application, applications of a wave.
absl::StatusOr<std::vector<std::string>> MembersOf(pg::Connection& connection, GroupKind kind,
                                                   const std::string& id);

}  // namespace godwit::registry::storage
