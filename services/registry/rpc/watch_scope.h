// What the readers of watches of servers who can be limited were told of, over changes of their
// scopes and over tokens (docs/decisions/0050).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/event.h"
#include "services/registry/domain/told_servers.h"

namespace godwit::registry {

// Whose watch it is, and of what. Must outlive what is made of it.
struct WatchReader {
  const std::string& principal;            // empty: nobody who can be limited
  const std::vector<std::string>& wanted;  // ids; empty: all
};

// Scopes as of the instant of one transaction; each is asked for once. Not thread-safe.
class ScopesOfLook {
 public:
  // `connection` must outlive it.
  explicit ScopesOfLook(pg::Connection& connection) : connection_(connection) {}
  // Of the servers that the reader wants, those that he reaches; nullopt: he is not limited.
  absl::StatusOr<std::optional<std::set<std::string>>> Within(const WatchReader& reader);
  // All servers that he wants.
  absl::StatusOr<std::set<std::string>> All(const WatchReader& reader);

 private:
  pg::Connection& connection_;
  std::map<std::string, std::optional<std::set<std::string>>> within_;  // by principal
  std::optional<std::set<std::string>> all_;
};

// What the reader had been told of at this place, whose following events must be known. It is found
// out from what he reaches now and what he reached when it was deleted since. OUT_OF_RANGE, reason
// EVENTS_GONE: that is not what the token says; servers left or came into his scope meanwhile.
absl::StatusOr<ToldServers> ToldAt(pg::Connection& connection, const WatchReader& reader,
                                   const EventToken& token);

// What is to be told of a scope that is not the same as before: first what went, then what came.
struct ScopeMoves {
  ToldServers before;  // what he was told of, as one who is, or is not, limited now
  std::vector<std::string> gone;
  std::set<std::string> came;
};
// nullopt: nothing moved.
absl::StatusOr<std::optional<ScopeMoves>> MovesOf(ScopesOfLook& scopes, const WatchReader& reader,
                                                  const ToldServers& told);

}  // namespace godwit::registry
