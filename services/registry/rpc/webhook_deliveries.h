// What the handlers of webhooks do with deliveries.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "godwit/registry/v1/webhook_service.pb.h"
#include "services/common/pg/connection.h"
#include "services/registry/clients/webhook_sender.h"

namespace godwit::registry {

// One signed attempt with an event of type TEST.
absl::Status SendTest(WebhookSender& sender, const Webhook& webhook, const std::string& principal,
                      absl::Time now, godwit::registry::v1::TestWebhookResponse* response);

absl::Status ListDeliveries(pg::Connection& connection,
                            const godwit::registry::v1::ListWebhookDeliveriesRequest& request,
                            godwit::registry::v1::ListWebhookDeliveriesResponse* response);

absl::Status CheckResume(const godwit::registry::v1::ResumeWebhookDeliveriesRequest& request);
absl::Status Resume(pg::Connection& connection,
                    const godwit::registry::v1::ResumeWebhookDeliveriesRequest& request,
                    godwit::registry::v1::ResumeWebhookDeliveriesResponse* response);

}  // namespace godwit::registry
