// Events in PostgreSQL; the database itself writes them, in the transaction of each change
// (migrations/0017_events.sql). Functions work on the connection of the caller.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/event.h"

namespace godwit::registry::storage {

struct EventPage {
  EventLook look;
  std::vector<std::shared_ptr<const EventRecord>> events;
};
// The first `limit` events after this number, oldest first, and the head, as of one instant.
absl::StatusOr<EventPage> ReadEvents(pg::Connection& connection, std::int64_t after, int limit);

struct EventRetention {
  absl::Duration age = absl::Hours(24 * 7);
  std::int64_t count = 1'000'000;
};
// Deletes what is older, or more, at most 10,000 events a call. How many went.
absl::StatusOr<std::int64_t> ForgetOldEvents(pg::Connection& connection,
                                             const EventRetention& retention);

}  // namespace godwit::registry::storage
