#include "services/registry/rpc/webhooks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/clients/webhook_http.h"
#include "services/registry/rpc/access_keys.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/events.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxUrl = 2048, kMaxDescription = 256, kMaxCaPem = 64 * 1024;
constexpr absl::string_view kSettable[] = {"url",      "filter", "description",
                                           "disabled", "ca_pem", "secret"};

absl::Status CheckUrl(const pb::Webhook& webhook, const AddressPolicy& addresses) {
  RETURN_IF_ERROR(CheckText("webhook.url", webhook.url(), 1, kMaxUrl));
  const absl::Status good = CheckWebhookUrl(webhook.url(), addresses);
  return good.ok() ? good : rpc::FieldError("webhook.url", good.message());
}

absl::Status CheckButUrl(const pb::Webhook& webhook) {
  RETURN_IF_ERROR(FilterOf("webhook.filter", webhook.filter()));
  RETURN_IF_ERROR(CheckText("webhook.description", webhook.description(), 0, kMaxDescription));
  RETURN_IF_ERROR(CheckText("webhook.ca_pem", webhook.ca_pem(), 0, kMaxCaPem));
  if (webhook.ca_pem().empty()) return absl::OkStatus();
  const absl::Status good = CheckCaPem(webhook.ca_pem());
  return good.ok() ? good : rpc::FieldError("webhook.ca_pem", good.message());
}

}  // namespace

absl::StatusOr<std::string> WebhookId(absl::string_view field, absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName(field, "webhooks", "wh-", name);
  if (!id.ok()) return rpc::FieldError(field, "must be webhooks/wh- and 17 hexadecimal digits");
  return id;
}

absl::StatusOr<pb::Webhook> ToProto(const Webhook& webhook, const storage::WebhookLoad& load) {
  pb::Webhook out;
  out.set_name(absl::StrCat("webhooks/", webhook.id));
  out.set_url(webhook.url);
  RETURN_IF_ERROR(FromJson(webhook.filter, out.mutable_filter()));
  out.set_description(webhook.description);
  out.set_disabled(webhook.disabled);
  out.set_ca_pem(webhook.ca_pem);
  SetTime(webhook.create_time, out.mutable_create_time());
  SetTime(webhook.update_time, out.mutable_update_time());
  out.set_etag(Etag(webhook.version));
  out.set_waiting_count(load.waiting);
  out.set_parked_count(load.parked);
  if (load.waiting + load.parked > 0) SetDuration(load.oldest, out.mutable_oldest_wait());
  out.set_missed_event_count(webhook.missed_count);
  out.set_behind_count(load.behind);
  return out;
}

pb::WebhookDelivery ToProto(const Delivery& delivery) {
  pb::WebhookDelivery out;
  out.set_event_id(delivery.event_id);
  out.set_type(static_cast<pb::Event::Type>(delivery.type));
  out.set_resource(delivery.resource);
  out.set_state(static_cast<pb::WebhookDelivery::State>(delivery.state));
  out.set_attempt_count(delivery.attempt_count);
  out.set_http_status(delivery.http_status);
  out.set_error(delivery.error);
  SetTime(delivery.create_time, out.mutable_create_time());
  if (delivery.state == DeliveryState::kWaiting) {
    SetTime(delivery.next_attempt_time, out.mutable_next_attempt_time());
  }
  if (delivery.state_time) SetTime(*delivery.state_time, out.mutable_state_time());
  return out;
}

absl::Status CheckWebhook(const pb::Webhook& webhook, const AddressPolicy& addresses) {
  RETURN_IF_ERROR(CheckUrl(webhook, addresses));
  return CheckButUrl(webhook);
}

bool Names(const google::protobuf::FieldMask& mask, absl::string_view path) {
  return std::find(mask.paths().begin(), mask.paths().end(), path) != mask.paths().end();
}

absl::Status CheckUpdateWebhook(const pb::UpdateWebhookRequest& request,
                                const AddressPolicy& addresses) {
  const pb::Webhook& wanted = request.webhook();
  RETURN_IF_ERROR(WebhookId("webhook.name", wanted.name()));
  if (request.update_mask().paths().empty()) return rpc::FieldError("update_mask", "is required");
  for (const std::string& path : request.update_mask().paths()) {
    if (std::find(std::begin(kSettable), std::end(kSettable), path) == std::end(kSettable)) {
      return rpc::FieldError(
          "update_mask",
          absl::StrCat(
              "\"", path,
              "\": only url, filter, description, disabled, ca_pem and secret can be set"));
    }
  }
  if (Names(request.update_mask(), "url")) RETURN_IF_ERROR(CheckUrl(wanted, addresses));
  return CheckButUrl(wanted);
}

absl::Status ApplyFields(const pb::Webhook& from, const google::protobuf::FieldMask* mask,
                         Webhook& to) {
  const auto named = [mask](absl::string_view path) {
    return mask == nullptr || Names(*mask, path);
  };
  if (named("url")) to.url = from.url();
  if (named("description")) to.description = from.description();
  if (named("disabled")) to.disabled = from.disabled();
  if (named("ca_pem")) to.ca_pem = from.ca_pem();
  if (!named("filter")) return absl::OkStatus();
  ASSIGN_OR_RETURN(to.filter, ToJson(from.filter()));
  return absl::OkStatus();
}

absl::StatusOr<EventFilter> StoredFilter(const std::string& document) {
  pb::EventFilter filter;
  RETURN_IF_ERROR(FromJson(document, &filter));
  return FilterOf("filter", filter);
}

absl::StatusOr<Delivery> DeliveryOf(const std::string& webhook_id, const EventRecord& event,
                                    const std::string& stream) {
  const pb::Event message = ToProto(event, stream);
  ASSIGN_OR_RETURN(const std::string data, ToJson(message));
  return Delivery{.webhook_id = webhook_id,
                  .sequence = event.sequence,
                  .event_id = event.id,
                  .type = event.type,
                  .resource = event.resource,
                  .body = absl::StrCat(
                      "{\"type\":\"", pb::Event::Type_Name(message.type()), "\",\"timestamp\":\"",
                      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", event.time, absl::UTCTimeZone()),
                      "\",\"data\":", data, "}")};
}

absl::StatusOr<crypt::Secret> GiveSecret(const std::string& master_key_file, Webhook& webhook) {
  ASSIGN_OR_RETURN(const crypt::MasterKeys masters, LoadMasterKeys(master_key_file));
  ASSIGN_OR_RETURN(crypt::Secret secret, NewWebhookSecret());
  ASSIGN_OR_RETURN(webhook.wrapped_secret,
                   WrapWebhookSecret(masters.current(), webhook.id, secret));
  webhook.master_key = masters.current().id;
  return secret;
}

absl::StatusOr<int> RewrapWebhooks(pg::Pool& pool, const crypt::MasterKeys& keys) {
  int count = 0;
  RETURN_IF_ERROR(pool.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    count = 0;
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(
        const std::vector<Webhook> all,
        storage::ListWebhooks(connection, absl::UnixEpoch(), "", storage::kMostWebhooks));
    for (const Webhook& listed : all) {
      if (listed.master_key == keys.current().id) continue;
      ASSIGN_OR_RETURN(std::optional<Webhook> webhook,
                       storage::TryLockWebhook(connection, listed.id));
      if (!webhook) continue;
      const absl::StatusOr<crypt::Secret> secret = UnwrapWebhookSecret(keys, *webhook);
      if (!secret.ok()) {  // nothing can be sent to it until its master key is back
        Log(Severity::kWarning, "secret of a webhook not wrapped anew",
            {{"webhook", webhook->id}, {"error", secret.status().ToString()}});
        continue;
      }
      ASSIGN_OR_RETURN(webhook->wrapped_secret,
                       WrapWebhookSecret(keys.current(), webhook->id, *secret));
      webhook->master_key = keys.current().id;
      RETURN_IF_ERROR(storage::SaveWebhook(connection, *webhook, /*from_now=*/false));
      ++count;
    }
    return absl::OkStatus();
  }));
  return count;
}

}  // namespace godwit::registry
