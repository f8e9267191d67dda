// Connectors in PostgreSQL. Functions work on the connection of the caller's transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

struct Connector {
  std::string id;
  std::int64_t version = 0;
  std::string display_name, instance_id;
  std::string command_config;  // JSON document; empty: none
  std::string tags = "{}";     // JSON document
  absl::Time create_time;
};

// RESOURCE_EXHAUSTED when there are `most` already.
absl::StatusOr<Connector> InsertConnector(pg::Connection& connection, const Connector& connector,
                                          int most);
// NOT_FOUND "connectors/connector-...". The second one locks.
absl::StatusOr<Connector> GetConnector(pg::Connection& connection, const std::string& id);
absl::StatusOr<Connector> LockConnector(pg::Connection& connection, const std::string& id);
// As the next version.
absl::StatusOr<Connector> SaveConnector(pg::Connection& connection, const Connector& connector);
absl::Status DeleteConnector(pg::Connection& connection, const std::string& id);

struct ConnectorQuery {
  std::vector<std::string> ids;  // empty: all
  absl::Time after_time;
  std::string after_id;  // empty: from the start
  int limit = 50;
};
// Oldest first.
absl::StatusOr<std::vector<Connector>> ListConnectors(pg::Connection& connection,
                                                      const ConnectorQuery& query);

}  // namespace godwit::registry::storage
