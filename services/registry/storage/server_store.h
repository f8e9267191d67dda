// Source servers in PostgreSQL. Functions work on the connection of the caller's transaction; each
// change makes the next version and a history row. Errors are those of pg::Connection::Exec.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/event.h"
#include "services/registry/domain/source_server.h"

namespace godwit::registry::storage {

// What goes into the history row of a change.
struct Change {
  absl::string_view event;
  absl::string_view principal;
};

// NOT_FOUND "sourceServers/s-...".
absl::StatusOr<SourceServer> GetServer(pg::Connection& connection, const std::string& id);
// The same, locked until the transaction ends. Lock several in the order of their ids.
absl::StatusOr<SourceServer> LockServer(pg::Connection& connection, const std::string& id);
// Locked; nullopt when there is none.
absl::StatusOr<std::optional<SourceServer>> LockServerOfKey(pg::Connection& connection,
                                                            const std::string& public_key_hash);
absl::StatusOr<std::optional<SourceServer>> LockServerOfUserProvidedId(
    pg::Connection& connection, const std::string& user_provided_id);

// Version 1. ALREADY_EXISTS: its user-provided id or key is taken. Times and version of the answer
// are the database's.
absl::StatusOr<SourceServer> InsertServer(pg::Connection& connection, const SourceServer& server,
                                          const Change& change);
// Saves a locked server as its next version. state_time is taken from `server`.
absl::StatusOr<SourceServer> SaveServer(pg::Connection& connection, const SourceServer& server,
                                        const Change& change);
// Saves the properties of a locked server, of which nothing but the measured use may have changed:
// no new version, no history.
absl::Status SaveUse(pg::Connection& connection, const SourceServer& server);
absl::Status DeleteServer(pg::Connection& connection, const std::string& id);

struct ServerQuery {
  bool show_archived = false;
  std::vector<Lifecycle> states;  // empty: all
  std::string application;        // empty: all
  std::string scope_of;           // what this user is limited to; empty: nobody's scope counts
  absl::Time after_time;          // keyset: of the last server of the page before
  std::string after_id;           // empty: from the start
  int limit = 50;
};
// Oldest first.
absl::StatusOr<std::vector<SourceServer>> ListServers(pg::Connection& connection,
                                                      const ServerQuery& query);
// From here to the end of the transaction, which must have done nothing yet, all reads show one
// instant.
absl::Status ReadOneInstant(pg::Connection& connection);

struct ServerChange {
  std::int64_t place = 0;  // number of the last event of the server's versions
  std::string id;
  std::optional<SourceServer> server;  // nullopt: it was deleted
};
struct ServerChanges {
  EventLook look;
  std::vector<ServerChange> changes;
  // Every change up to this number is in `changes`, or was followed by a later one.
  std::int64_t through = 0;
};
// Servers with events after this number, each once, as it is at the instant of the call, in the
// order of their last events; the first `limit` of them.
absl::StatusOr<ServerChanges> ListServerChanges(pg::Connection& connection, std::int64_t after,
                                                int limit);

struct ReplicationFacts {
  std::string id;
  bool enrolled = false, identity_revoked = false;
  std::string settings;  // JSON
};
// Those of `ids` that exist.
absl::StatusOr<std::vector<ReplicationFacts>> ListReplicationFacts(
    pg::Connection& connection, const std::vector<std::string>& ids);

struct HistoryRow {
  std::int64_t version = 0;
  absl::Time time;
  Lifecycle lifecycle = Lifecycle::kNotReady;
  std::string event, principal;
};
// Oldest first, versions above `after_version`.
absl::StatusOr<std::vector<HistoryRow>> ListHistory(pg::Connection& connection,
                                                    const std::string& id,
                                                    std::int64_t after_version, int limit);

}  // namespace godwit::registry::storage
