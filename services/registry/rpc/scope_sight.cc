#include "services/registry/rpc/scope_sight.h"

#include <utility>

#include "services/common/base/status_macros.h"
#include "services/registry/storage/scope_store.h"
#include "services/registry/storage/scope_watch_store.h"

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
  std::vector<bool> seen(events.size(), true);
  if (principal.empty()) return seen;
  std::vector<std::string> names;
  for (const auto& event : events) names.push_back(event->resource);
  ASSIGN_OR_RETURN(const auto within, storage::NamesWithin(connection, principal, names));
  if (!within) return seen;
  ASSIGN_OR_RETURN(const auto gone, storage::GoneOf(connection, principal, names));
  for (std::size_t i = 0; i < names.size(); ++i) {
    seen[i] = within->contains(names[i]) || gone.contains(names[i]);
  }
  return seen;
}

}  // namespace godwit::registry
