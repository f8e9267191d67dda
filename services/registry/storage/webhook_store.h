// Webhooks in PostgreSQL. Functions work on the connection of the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/webhook.h"

namespace godwit::registry::storage {

inline constexpr int kMostWebhooks = 100;

// It gets events from now on. FAILED_PRECONDITION: there are as many as there may be.
absl::StatusOr<Webhook> InsertWebhook(pg::Connection& connection, const Webhook& webhook);
// NOT_FOUND "webhooks/wh-...".
absl::StatusOr<Webhook> GetWebhook(pg::Connection& connection, const std::string& id);
// The same, locked until the transaction ends.
absl::StatusOr<Webhook> LockWebhook(pg::Connection& connection, const std::string& id);
// nullopt: it is gone, or somebody else has it.
absl::StatusOr<std::optional<Webhook>> TryLockWebhook(pg::Connection& connection,
                                                      const std::string& id);
// Oldest first, after (time, id) of the last one of the page before.
absl::StatusOr<std::vector<Webhook>> ListWebhooks(pg::Connection& connection, absl::Time after_time,
                                                  const std::string& after_id, int limit);
// Of a locked webhook: url, filter, description, disabled, ca_pem, secret and its wrapping. With
// `from_now`, events until now are none of its. Gives it with its next version.
absl::StatusOr<Webhook> SaveWebhook(pg::Connection& connection, const Webhook& webhook,
                                    bool from_now);
// Of a locked webhook: sequence and missed_count, which are no new version.
absl::Status SavePlace(pg::Connection& connection, const Webhook& webhook);
absl::Status DeleteWebhook(pg::Connection& connection, const std::string& id);
// Those with events that are not planned.
absl::StatusOr<std::vector<std::string>> WebhooksBehind(pg::Connection& connection);

struct WebhookLoad {
  std::int64_t waiting = 0, parked = 0;
  absl::Duration oldest;    // wait of the oldest of both
  std::int64_t behind = 0;  // events that are not planned
};
// Of one, or of all (empty).
absl::StatusOr<WebhookLoad> LoadOfWebhooks(pg::Connection& connection, const std::string& id);

}  // namespace godwit::registry::storage
