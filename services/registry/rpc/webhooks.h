// Webhooks between domain values, messages and documents; checks of what requests say about them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "godwit/registry/v1/webhook_service.pb.h"
#include "services/common/pg/pool.h"
#include "services/registry/domain/address_policy.h"
#include "services/registry/domain/event.h"
#include "services/registry/domain/webhook.h"
#include "services/registry/storage/webhook_store.h"

namespace godwit::registry {

// "webhooks/wh-..." -> the id; INVALID_ARGUMENT names `field`.
absl::StatusOr<std::string> WebhookId(absl::string_view field, absl::string_view name);

// The message without its secret. DATA_LOSS: its stored filter cannot be read.
absl::StatusOr<godwit::registry::v1::Webhook> ToProto(const Webhook& webhook,
                                                      const storage::WebhookLoad& load);
godwit::registry::v1::WebhookDelivery ToProto(const Delivery& delivery);

// Every field that a caller may set; INVALID_ARGUMENT names it ("webhook.url").
absl::Status CheckWebhook(const godwit::registry::v1::Webhook& webhook,
                          const AddressPolicy& addresses);
// Name and mask, and the fields that the mask names.
absl::Status CheckUpdateWebhook(const godwit::registry::v1::UpdateWebhookRequest& request,
                                const AddressPolicy& addresses);
// What of `from` the mask names goes to `to`; all without a mask. Not the secret.
absl::Status ApplyFields(const godwit::registry::v1::Webhook& from,
                         const google::protobuf::FieldMask* mask, Webhook& to);
bool Names(const google::protobuf::FieldMask& mask, absl::string_view path);

absl::StatusOr<EventFilter> StoredFilter(const std::string& document);

// What is sent of an event: {"type", "timestamp", "data": Event}.
absl::StatusOr<Delivery> DeliveryOf(const std::string& webhook_id, const EventRecord& event,
                                    const std::string& stream);

// A new secret, wrapped into the webhook.
absl::StatusOr<crypt::Secret> GiveSecret(const std::string& master_key_file, Webhook& webhook);
// Wraps every secret by the present master key that an older one of the file wraps. Gives how many.
absl::StatusOr<int> RewrapWebhooks(pg::Pool& pool, const crypt::MasterKeys& keys);

}  // namespace godwit::registry
