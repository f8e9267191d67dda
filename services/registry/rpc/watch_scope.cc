#include "services/registry/rpc/watch_scope.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/storage/scope_watch_store.h"

namespace godwit::registry {
namespace {

using Ids = std::set<std::string>;

Ids Wanted(Ids ids, const WatchReader& reader) {
  if (reader.wanted.empty()) return ids;
  std::erase_if(ids, [&](const std::string& id) {
    return std::find(reader.wanted.begin(), reader.wanted.end(), id) == reader.wanted.end();
  });
  return ids;
}

Ids Without(const Ids& ids, const Ids& others) {
  Ids out;
  std::set_difference(ids.begin(), ids.end(), others.begin(), others.end(),
                      std::inserter(out, out.end()));
  return out;
}

absl::Status NotTheSame() {
  return rpc::WithInfo(
      absl::OutOfRangeError("since: what you may see is not the same any more: watch again without "
                            "since, and take what does not come for gone"),
      {.reason = "EVENTS_GONE", .domain = "registry"});
}

}  // namespace

absl::StatusOr<std::optional<Ids>> ScopesOfLook::Within(const WatchReader& reader) {
  if (reader.principal.empty()) return std::nullopt;
  auto known = within_.find(reader.principal);
  if (known == within_.end()) {
    ASSIGN_OR_RETURN(auto within, storage::ServersWithin(connection_, reader.principal));
    known = within_.emplace(reader.principal, std::move(within)).first;
  }
  if (!known->second) return std::nullopt;
  return Wanted(*known->second, reader);
}

absl::StatusOr<Ids> ScopesOfLook::All(const WatchReader& reader) {
  if (!all_) {
    ASSIGN_OR_RETURN(all_, storage::AllServers(connection_));
  }
  return Wanted(*all_, reader);
}

absl::StatusOr<ToldServers> ToldAt(pg::Connection& connection, const WatchReader& reader,
                                   const EventToken& token) {
  ScopesOfLook scopes(connection);
  ASSIGN_OR_RETURN(const std::optional<Ids> within, scopes.Within(reader));
  if (!within && !token.told) return ToldServers();
  if (!within || !token.told) return NotTheSame();
  ASSIGN_OR_RETURN(const Ids created, storage::CreatedSince(connection, token.sequence));
  Ids known = Without(*within, created);
  if (DigestOf(known) != *token.told) {
    ASSIGN_OR_RETURN(Ids gone, storage::GoneSince(connection, reader.principal, token.sequence));
    known.merge(Without(Wanted(std::move(gone), reader), created));
  }
  if (DigestOf(known) != *token.told) return NotTheSame();
  return ToldServers(std::move(known));
}

absl::StatusOr<std::optional<ScopeMoves>> MovesOf(ScopesOfLook& scopes, const WatchReader& reader,
                                                  const ToldServers& told) {
  ASSIGN_OR_RETURN(const std::optional<Ids> within, scopes.Within(reader));
  if (!within && !told.limited()) return std::nullopt;
  if (within && told.limited() && *within == told.ids()) return std::nullopt;
  Ids before, now;
  if (!within || !told.limited()) {
    ASSIGN_OR_RETURN(before, scopes.All(reader));
    now = before;
  }
  if (told.limited()) before = told.ids();
  if (within) now = *within;
  const Ids gone = Without(before, now);
  ScopeMoves moves{.gone = {gone.begin(), gone.end()}, .came = Without(now, before)};
  if (within) moves.before = ToldServers(std::move(before));
  return moves;
}

}  // namespace godwit::registry
