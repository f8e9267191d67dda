// What an inventory needs besides the other stores: groups by name, and notes of servers. Functions
// work on the connection of the caller's transaction.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/storage/group_store.h"

namespace godwit::registry::storage {

// One import changes the inventory at a time: until the transaction ends no other gets past this,
// so that two of them do not make the same group.
absl::Status LockInventory(pg::Connection& connection);

// Ids of the groups with this name that are not archived, oldest first; at most two.
absl::StatusOr<std::vector<std::string>> GroupsOfName(pg::Connection& connection, GroupKind kind,
                                                      const std::string& display_name);

// An empty value removes the note. Whether that changed anything.
absl::StatusOr<bool> SetNote(pg::Connection& connection, const std::string& server,
                             const std::string& name, const std::string& value);
// server id -> name -> value.
using Notes = std::map<std::string, std::map<std::string, std::string>>;
absl::StatusOr<Notes> NotesOf(pg::Connection& connection, const std::vector<std::string>& servers);

}  // namespace godwit::registry::storage
