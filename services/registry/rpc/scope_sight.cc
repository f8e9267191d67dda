#include "services/registry/rpc/scope_sight.h"

#include <utility>

#include "services/common/base/status_macros.h"
#include "services/registry/storage/scope_store.h"

namespace godwit::registry {

absl::StatusOr<bool> SightOfScopes::Sees(const std::string& principal, const std::string& name) {
  if (principal.empty()) return true;
  auto known = known_.find(principal);
  if (known == known_.end()) {
    ASSIGN_OR_RETURN(auto within, storage::NamesWithin(connection_, principal, names_));
    known = known_.emplace(principal, std::move(within)).first;
  }
  return !known->second || known->second->contains(name);
}

absl::StatusOr<std::vector<bool>> SeenEvents(
    pg::Connection& connection, const std::string& principal,
    const std::vector<std::shared_ptr<const EventRecord>>& events) {
  std::vector<std::string> names;
  if (!principal.empty()) {
    for (const auto& event : events) names.push_back(event->resource);
  }
  SightOfScopes sight(connection, std::move(names));
  std::vector<bool> seen;
  for (const auto& event : events) {
    ASSIGN_OR_RETURN(const bool sees, sight.Sees(principal, event->resource));
    seen.push_back(sees);
  }
  return seen;
}

}  // namespace godwit::registry
