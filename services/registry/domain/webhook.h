// Webhooks: their secrets, their signatures (of the Standard Webhooks specification), and when a
// failed delivery is tried again. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/crypt/master_keys.h"
#include "services/common/crypt/secret.h"

namespace godwit::registry {

struct Webhook {
  std::string id;  // "wh-..."
  std::int64_t version = 1;
  std::string url;
  std::string filter = "{}";  // document of EventFilter
  std::string description;
  bool disabled = false;
  std::string ca_pem;          // empty: the system's
  std::string wrapped_secret;  // bound to the id; see WrapWebhookSecret
  std::string master_key;      // id of the master key that wraps it
  std::int64_t sequence = 0;   // events up to it are planned
  std::int64_t missed_count = 0;
  absl::Time create_time, update_time;
};

// Numbers are stored and equal those of WebhookDelivery.State.
enum class DeliveryState { kWaiting = 1, kDelivered = 2, kParked = 3, kDropped = 4 };

struct Delivery {
  std::string webhook_id;
  std::int64_t sequence = 0;
  std::string event_id;
  int type = 0;  // number of Event.Type
  std::string resource;
  std::string body;  // as it is signed and sent
  DeliveryState state = DeliveryState::kWaiting;
  std::int64_t generation = 0;  // of the attempt under way; a later one makes it stale
  int attempt_count = 0;
  int http_status = 0;
  std::string error;
  absl::Time create_time;
  absl::Time next_attempt_time;
  std::optional<absl::Time> state_time;
};

// 32 bytes of the system's generator.
absl::StatusOr<crypt::Secret> NewWebhookSecret();
// "whsec_" and base64, as receivers take it.
crypt::Secret FormatWebhookSecret(const crypt::Secret& secret);

// As access keys': AES-256-GCM, bound to table and id.
absl::StatusOr<std::string> WrapWebhookSecret(const crypt::MasterKey& master, absl::string_view id,
                                              const crypt::Secret& secret);
// FAILED_PRECONDITION: the master key is not in the file. DATA_LOSS: damaged or of another row.
absl::StatusOr<crypt::Secret> UnwrapWebhookSecret(const crypt::MasterKeys& keys,
                                                  const Webhook& webhook);

// "v1," and the base64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY"; TIMESTAMP is seconds since 1970.
std::string SignWebhook(const crypt::Secret& secret, absl::string_view event_id,
                        std::int64_t timestamp, absl::string_view body);

// Before the next attempt: `least`, doubled with each attempt up to `most`, times 0.5 to 1.5 by
// `chance` (0 to 1). `attempt` counts from 1.
absl::Duration RetryDelay(int attempt, absl::Duration least, absl::Duration most, double chance);

}  // namespace godwit::registry
