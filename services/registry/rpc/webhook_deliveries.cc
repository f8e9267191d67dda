#include "services/registry/rpc/webhook_deliveries.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/webhooks.h"
#include "services/registry/storage/delivery_store.h"

namespace godwit::registry {
namespace {

// What has events, and the beginning of its ids.
constexpr std::pair<const char*, const char*> kCollections[] = {
    {"sourceServers", "s-"}, {"applications", "app-"}, {"waves", "wave-"}};

// Empty, or the name of something that has events.
absl::Status CheckResource(const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  for (const auto& [collection, prefix] : kCollections) {
    if (ParseName("resource", collection, prefix, name).ok()) return absl::OkStatus();
  }
  return rpc::FieldError("resource",
                         "must be sourceServers/s-..., applications/app-... or "
                         "waves/wave-...");
}

}  // namespace

absl::Status SendTest(WebhookSender& sender, const Webhook& webhook, const std::string& principal,
                      absl::Time now, pb::TestWebhookResponse* response) {
  const EventRecord event{.id = NewUuid(),
                          .time = now,
                          .type = pb::Event::TEST,
                          .resource = absl::StrCat("webhooks/", webhook.id),
                          .cause = "TestWebhook",
                          .principal = principal,
                          .display_name = webhook.description};
  ASSIGN_OR_RETURN(Delivery delivery, DeliveryOf(webhook.id, event, /*stream=*/""));
  delivery.attempt_count = 1;
  const HttpAnswer answer = sender.Send(webhook, delivery);
  response->set_http_status(answer.status);
  response->set_error(answer.error);
  SetDuration(answer.took, response->mutable_took());
  response->set_event_id(event.id);
  return absl::OkStatus();
}

absl::Status ListDeliveries(pg::Connection& connection,
                            const pb::ListWebhookDeliveriesRequest& request,
                            pb::ListWebhookDeliveriesResponse* response) {
  ASSIGN_OR_RETURN(const std::string id, WebhookId("name", request.name()));
  ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::int64_t after, ParseNumberToken(request.page_token()));
  if (!pb::WebhookDelivery::State_IsValid(request.state())) {
    return rpc::FieldError("state", "is not known");
  }
  std::optional<DeliveryState> state;
  if (request.state() != pb::WebhookDelivery::STATE_UNSPECIFIED) {
    state = static_cast<DeliveryState>(request.state());
  }
  RETURN_IF_ERROR(storage::GetWebhook(connection, id));
  ASSIGN_OR_RETURN(std::vector<Delivery> deliveries,
                   storage::ListDeliveries(connection, id, state, after, size + 1));
  if (static_cast<int>(deliveries.size()) > size) {
    deliveries.pop_back();
    response->set_next_page_token(NumberToken(deliveries.back().sequence));
  }
  for (const Delivery& delivery : deliveries) *response->add_deliveries() = ToProto(delivery);
  return absl::OkStatus();
}

absl::Status CheckResume(const pb::ResumeWebhookDeliveriesRequest& request) {
  RETURN_IF_ERROR(WebhookId("name", request.name()));
  return CheckResource(request.resource());
}

absl::Status Resume(pg::Connection& connection, const pb::ResumeWebhookDeliveriesRequest& request,
                    pb::ResumeWebhookDeliveriesResponse* response) {
  ASSIGN_OR_RETURN(const std::string id, WebhookId("name", request.name()));
  RETURN_IF_ERROR(storage::LockWebhook(connection, id));
  ASSIGN_OR_RETURN(const std::int64_t count,
                   storage::ResumeDeliveries(connection, id, request.resource(), request.drop()));
  response->set_count(count);
  return absl::OkStatus();
}

}  // namespace godwit::registry
