// Webhooks for people.
#pragma once

#include <iosfwd>

#include "godwit/registry/v1/webhook_service.pb.h"

namespace godwit::cli {

void PrintWebhooks(const registry::v1::ListWebhooksResponse& list, std::ostream& out);
// With its secret when it is there.
void PrintWebhook(const registry::v1::Webhook& webhook, std::ostream& out);
void PrintDeliveries(const registry::v1::ListWebhookDeliveriesResponse& list, std::ostream& out);

}  // namespace godwit::cli
