// What limited users see of things that change, for streams and lists of events: as the scopes are
// now, one question a user.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/event.h"

namespace godwit::registry {

// For one look at `names` ("sourceServers/s-..."). Not thread-safe.
class SightOfScopes {
 public:
  SightOfScopes(pg::Connection& connection, std::vector<std::string> names)
      : connection_(connection), names_(std::move(names)) {}
  // Whether the user sees one of these names; an empty principal sees all.
  absl::StatusOr<bool> Sees(const std::string& principal, const std::string& name);

 private:
  pg::Connection& connection_;
  const std::vector<std::string> names_;
  std::map<std::string, std::optional<std::set<std::string>>> known_;  // by principal
};

// Of each event whether its resource is within the scope of `principal`, or was when it was
// deleted.
absl::StatusOr<std::vector<bool>> SeenEvents(
    pg::Connection& connection, const std::string& principal,
    const std::vector<std::shared_ptr<const EventRecord>>& events);

}  // namespace godwit::registry
