#include "cli/views/webhook_view.h"

#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/format.h"
#include "cli/output.h"

namespace godwit::cli {
namespace {

using registry::v1::EventFilter;
using registry::v1::Webhook;
using registry::v1::WebhookDelivery;

std::string FilterText(const EventFilter& filter) {
  std::vector<std::string> words;
  for (const int type : filter.types()) {
    words.push_back(EnumWord(static_cast<registry::v1::Event::Type>(type)));
  }
  for (const auto* names : {&filter.source_servers(), &filter.applications(), &filter.waves()}) {
    for (const std::string& name : *names) words.push_back(ShortName(name));
  }
  return words.empty() ? "all" : absl::StrJoin(words, " ");
}

std::string StateOf(const Webhook& webhook) {
  if (webhook.disabled()) return "disabled";
  return webhook.parked_count() > 0 ? "parked" : "enabled";
}

std::string Count(std::int64_t count) { return count == 0 ? "" : absl::StrCat(count); }

}  // namespace

void PrintWebhooks(const registry::v1::ListWebhooksResponse& list, std::ostream& out) {
  Table table({"WEBHOOK", "STATE", "WAITING", "PARKED", "URL", "EVENTS", "DESCRIPTION"});
  for (const Webhook& webhook : list.webhooks()) {
    table.Row({ShortName(webhook.name()), StateOf(webhook), absl::StrCat(webhook.waiting_count()),
               absl::StrCat(webhook.parked_count()), webhook.url(), FilterText(webhook.filter()),
               webhook.description().empty() ? "-" : webhook.description()});
  }
  table.Print(out, "no webhooks");
}

void PrintWebhook(const Webhook& webhook, std::ostream& out) {
  Fields fields;
  fields.Add("Webhook", ShortName(webhook.name()));
  fields.Add("URL", webhook.url());
  fields.Add("Events", FilterText(webhook.filter()));
  fields.Add("Description", webhook.description());
  fields.Add("State", StateOf(webhook));
  fields.Add("Own CA", webhook.ca_pem().empty() ? "" : "yes");
  fields.Add("Waiting", absl::StrCat(webhook.waiting_count()));
  fields.Add("Parked", absl::StrCat(webhook.parked_count()));
  fields.Add("Oldest wait", webhook.has_oldest_wait() ? Span(webhook.oldest_wait()) : "");
  fields.Add("Events not looked at yet", Count(webhook.behind_count()));
  fields.Add("Events missed", Count(webhook.missed_event_count()));
  fields.Add("Created", When(webhook.create_time()));
  fields.Add("Secret", webhook.secret());
  fields.Print(out);
  if (!webhook.secret().empty()) {
    out << "\nThe secret is shown only now; the receiver verifies signatures with it.\n";
  }
}

void PrintDeliveries(const registry::v1::ListWebhookDeliveriesResponse& list, std::ostream& out) {
  Table table(
      {"TAKEN UP", "EVENT", "TYPE", "RESOURCE", "STATE", "ATTEMPTS", "HTTP", "NEXT", "ERROR"});
  for (const WebhookDelivery& delivery : list.deliveries()) {
    table.Row({When(delivery.create_time()), delivery.event_id(), EnumWord(delivery.type()),
               ShortName(delivery.resource()), EnumWord(delivery.state()),
               absl::StrCat(delivery.attempt_count()),
               delivery.http_status() == 0 ? "-" : absl::StrCat(delivery.http_status()),
               When(delivery.next_attempt_time()),
               delivery.error().empty() ? "-" : delivery.error()});
  }
  table.Print(out, "no deliveries");
}

}  // namespace godwit::cli
