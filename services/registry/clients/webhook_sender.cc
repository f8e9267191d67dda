#include "services/registry/clients/webhook_sender.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/access_keys.h"
#include "services/registry/rpc/webhooks.h"
#include "services/registry/storage/delivery_store.h"
#include "services/registry/storage/scope_watch_store.h"
#include "services/registry/storage/webhook_store.h"

namespace godwit::registry {
namespace {

constexpr int kPage = 500;  // events a transaction
constexpr absl::Duration kHousekeeping = absl::Minutes(1);
constexpr int kMostForgets = 50;  // of 10,000 events
// Longer than the writing down of an outcome takes.
constexpr absl::Duration kLeaseMargin = absl::Seconds(5);
constexpr absl::Duration kMostRest = absl::Seconds(30);

double Chance() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(random);
}

}  // namespace

WebhookSender::WebhookSender(pg::Pool& pool, Options options)
    : pool_(pool), options_(std::move(options)) {}

void WebhookSender::Start() {
  threads_.emplace_back([this] { PlanLoop(); });
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { DeliverLoop(); });
  }
}

void WebhookSender::Stop() {
  stop_ = true;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void WebhookSender::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

absl::StatusOr<bool> WebhookSender::Plan(const std::string& webhook_id) {
  bool more = false;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    more = false;
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(std::optional<Webhook> webhook,
                     storage::TryLockWebhook(connection, webhook_id));
    if (!webhook || webhook->disabled) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::int64_t open, storage::CountOpenDeliveries(connection, webhook_id));
    if (open >= options_.most_open) return absl::OkStatus();
    ASSIGN_OR_RETURN(const storage::EventPage page,
                     storage::ReadEvents(connection, webhook->sequence, kPage));
    const std::int64_t next = page.events.empty() ? page.look.head + 1 : page.look.first;
    if (next > webhook->sequence + 1) {
      const std::int64_t missed = next - webhook->sequence - 1;
      webhook->missed_count += missed;
      Log(Severity::kError, "events were deleted before a webhook got to them",
          {{"webhook", webhook_id}, {"count", absl::StrCat(missed)}});
    }
    ASSIGN_OR_RETURN(const EventFilter filter, StoredFilter(webhook->filter));
    for (const auto& event : page.events) {
      if (!filter.Passes(*event)) continue;
      ASSIGN_OR_RETURN(const Delivery delivery, DeliveryOf(webhook_id, *event, page.look.stream));
      RETURN_IF_ERROR(storage::InsertDelivery(connection, delivery));
    }
    webhook->sequence = page.events.empty() ? page.look.head : page.events.back()->sequence;
    more = webhook->sequence < page.look.head;
    return storage::SavePlace(connection, *webhook);
  }));
  return more;
}

absl::StatusOr<bool> WebhookSender::PlanAll() {
  std::vector<std::string> behind;
  {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(behind, storage::WebhooksBehind(*connection));
  }
  bool more = false;
  for (const std::string& id : behind) {
    if (Stopping()) return false;
    ASSIGN_OR_RETURN(const bool of_this, Plan(id));
    more = more || of_this;
  }
  return more;
}

void WebhookSender::KeepHouse() {
  const absl::Status kept = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    RETURN_IF_ERROR(storage::ForgetOldDeliveries(*connection, options_.retention.age));
    for (int i = 0; i < kMostForgets && !Stopping(); ++i) {
      ASSIGN_OR_RETURN(const std::int64_t gone,
                       storage::ForgetOldEvents(*connection, options_.retention));
      if (gone == 0) break;
    }
    return storage::ForgetGone(*connection, options_.retention.age);
  }();
  if (!kept.ok()) {
    Log(Severity::kWarning, "old events not deleted", {{"error", kept.ToString()}});
  }
}

void WebhookSender::PlanLoop() {
  absl::Time next_housekeeping = SteadyNow();
  while (!Stopping()) {
    if (SteadyNow() >= next_housekeeping) {
      next_housekeeping = SteadyNow() + kHousekeeping;
      KeepHouse();
    }
    const absl::StatusOr<bool> more = PlanAll();
    if (!more.ok()) {
      Log(Severity::kWarning, "webhooks cannot be planned", {{"error", more.status().ToString()}});
    }
    if (!more.value_or(false)) Pause(options_.idle_pause);
  }
}

std::vector<std::string> WebhookSender::Busy() {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> busy;
  for (const auto& [id, health] : health_) {
    if (health.under_way >= options_.of_webhook || health.rest_until > SteadyNow()) {
      busy.push_back(id);
    }
  }
  return busy;
}

void WebhookSender::Begin(const std::string& webhook_id) {
  absl::MutexLock lock(&mutex_);
  ++health_[webhook_id].under_way;
}

void WebhookSender::End(const std::string& webhook_id, bool ok) {
  absl::MutexLock lock(&mutex_);
  Health& health = health_[webhook_id];
  --health.under_way;
  if (ok) {
    health.failures = 0;
  } else {
    health.rest_until = SteadyNow() + RetryDelay(++health.failures, options_.least_backoff / 4,
                                                 kMostRest, Chance());
  }
  if (ok && health.under_way == 0) health_.erase(webhook_id);
}

std::optional<Delivery> WebhookSender::Next() {
  absl::MutexLock turn(&turn_);
  while (!Stopping()) {
    const absl::StatusOr<std::optional<Delivery>> delivery =
        [&]() -> absl::StatusOr<std::optional<Delivery>> {
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
      return storage::ClaimDelivery(
          *connection, Busy(),
          {.lease = options_.timeout + kLeaseMargin, .retry_time = options_.retry_time});
    }();
    if (delivery.ok() && delivery->has_value()) {
      Begin((*delivery)->webhook_id);
      return *delivery;
    }
    if (!delivery.ok()) {
      Log(Severity::kWarning, "webhook deliveries cannot be read",
          {{"error", delivery.status().ToString()}});
    }
    Pause(options_.idle_pause);
  }
  return std::nullopt;
}

HttpAnswer WebhookSender::Send(const Webhook& webhook, const Delivery& delivery) {
  const absl::StatusOr<crypt::Secret> secret = [&]() -> absl::StatusOr<crypt::Secret> {
    ASSIGN_OR_RETURN(const crypt::MasterKeys masters, LoadMasterKeys(options_.master_key_file));
    return UnwrapWebhookSecret(masters, webhook);
  }();
  if (!secret.ok()) return {.error = std::string(secret.status().message())};
  const std::int64_t now = absl::ToUnixSeconds(absl::Now());
  return PostToWebhook(
      {.url = webhook.url,
       .ca_pem = webhook.ca_pem,
       .headers = {"Content-Type: application/json", "User-Agent: godwit-webhook/1",
                   absl::StrCat("webhook-id: ", delivery.event_id),
                   absl::StrCat("webhook-timestamp: ", now),
                   absl::StrCat("webhook-signature: ",
                                SignWebhook(*secret, delivery.event_id, now, delivery.body)),
                   absl::StrCat("godwit-webhook: webhooks/", webhook.id),
                   absl::StrCat("godwit-attempt: ", delivery.attempt_count)},
       .body = delivery.body,
       .timeout = options_.timeout},
      options_.addresses, stop_);
}

absl::Status WebhookSender::Note(const Delivery& delivery, const HttpAnswer& answer) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  if (answer.stopped) return storage::GiveBackDelivery(*connection, delivery);
  if (answer.ok()) return storage::MarkDelivered(*connection, delivery);
  ASSIGN_OR_RETURN(
      const DeliveryState state,
      storage::MarkDeliveryFailed(*connection, delivery,
                                  RetryDelay(delivery.attempt_count, options_.least_backoff,
                                             options_.most_backoff, Chance())));
  if (state == DeliveryState::kParked) {
    Log(Severity::kError, "webhook delivery parked; godwit webhooks resume tries it again",
        {{"webhook", delivery.webhook_id},
         {"event", delivery.event_id},
         {"resource", delivery.resource},
         {"attempts", absl::StrCat(delivery.attempt_count)},
         {"error", answer.error}});
  }
  return absl::OkStatus();
}

void WebhookSender::Deliver(Delivery delivery) {
  const absl::StatusOr<Webhook> webhook = [&]() -> absl::StatusOr<Webhook> {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    return storage::GetWebhook(*connection, delivery.webhook_id);
  }();
  if (absl::IsNotFound(webhook.status())) return End(delivery.webhook_id, true);  // deleted
  const HttpAnswer answer = webhook.ok()
                                ? Send(*webhook, delivery)
                                : HttpAnswer{.error = std::string(webhook.status().message())};
  GODWIT_FAILPOINT("registry.webhook.before_noted");
  delivery.http_status = answer.status;
  delivery.error = answer.error;
  const absl::Status noted = Note(delivery, answer);
  if (!noted.ok()) {
    // Delivered again when the lease ends; the receiver knows the event's id.
    Log(Severity::kWarning, "outcome of a webhook delivery not written",
        {{"webhook", delivery.webhook_id}, {"error", noted.ToString()}});
  }
  End(delivery.webhook_id, answer.ok());
}

void WebhookSender::DeliverLoop() {
  while (std::optional<Delivery> delivery = Next()) Deliver(*std::move(delivery));
}

}  // namespace godwit::registry
