// Events on their way to webhooks, in PostgreSQL. Those of one webhook and resource leave in the
// order of their numbers: while one has not arrived, also a parked one, those after it wait.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/webhook.h"

namespace godwit::registry::storage {

// In the transaction that moves the webhook's place.
absl::Status InsertDelivery(pg::Connection& connection, const Delivery& delivery);
// Waiting and parked ones.
absl::StatusOr<std::int64_t> CountOpenDeliveries(pg::Connection& connection,
                                                 const std::string& webhook_id);

struct DeliveryTerms {
  absl::Duration lease;       // others are kept from it for so long
  absl::Duration retry_time;  // from the first attempt on; then it is parked
};
// Takes one that is due, of any webhook but these and disabled ones. nullopt: none is.
absl::StatusOr<std::optional<Delivery>> ClaimDelivery(pg::Connection& connection,
                                                      const std::vector<std::string>& but,
                                                      const DeliveryTerms& terms);

// What came of an attempt. Each does nothing when another attempt has begun meanwhile.
absl::Status MarkDelivered(pg::Connection& connection, const Delivery& delivery);
// Tried again after this time, or parked when its time is over. http_status and error are kept.
absl::StatusOr<DeliveryState> MarkDeliveryFailed(pg::Connection& connection,
                                                 const Delivery& delivery,
                                                 absl::Duration retry_after);
// It was not tried after all.
absl::Status GiveBackDelivery(pg::Connection& connection, const Delivery& delivery);

// Oldest first, with numbers above this one; of one state unless nullopt. Without bodies.
absl::StatusOr<std::vector<Delivery>> ListDeliveries(pg::Connection& connection,
                                                     const std::string& webhook_id,
                                                     std::optional<DeliveryState> state,
                                                     std::int64_t after, int limit);
// Parked ones (of one resource unless empty) wait again, or are dropped. How many.
absl::StatusOr<std::int64_t> ResumeDeliveries(pg::Connection& connection,
                                              const std::string& webhook_id,
                                              const std::string& resource, bool drop);
// Delivered and dropped ones that are older.
absl::Status ForgetOldDeliveries(pg::Connection& connection, absl::Duration age);

}  // namespace godwit::registry::storage
