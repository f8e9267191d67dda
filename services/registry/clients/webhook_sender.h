// Takes events to webhooks: plans a delivery for each event that a webhook wants, and delivers what
// is due until the receiver takes it or its time is over. Any number of registries may run it on
// one database. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/registry/clients/webhook_http.h"
#include "services/registry/domain/address_policy.h"
#include "services/registry/domain/webhook.h"
#include "services/registry/storage/event_store.h"

namespace godwit::registry {

class WebhookSender {
 public:
  struct Options {
    std::string master_key_file;  // keeps the secrets
    AddressPolicy addresses;
    absl::Duration timeout = absl::Seconds(10);       // of one attempt
    absl::Duration retry_time = absl::Hours(24);      // from the first attempt until it is parked
    absl::Duration least_backoff = absl::Seconds(1);  // doubles with each attempt
    absl::Duration most_backoff = absl::Minutes(10);
    absl::Duration idle_pause = absl::Milliseconds(300);  // between looks at the tables
    std::int64_t most_open = 10'000;  // deliveries of one webhook; the rest stays in the events
    int threads = 8;
    int of_webhook = 2;  // attempts to one webhook at a time, in this process
    storage::EventRetention retention;
  };
  // The pool must outlive it.
  WebhookSender(pg::Pool& pool, Options options);
  ~WebhookSender() { Stop(); }
  void Start();
  void Stop();  // cuts attempts that are under way; idempotent

  const AddressPolicy& addresses() const { return options_.addresses; }
  // One signed attempt, now.
  HttpAnswer Send(const Webhook& webhook, const Delivery& delivery);

 private:
  // How a webhook does, seen from this process.
  struct Health {
    int under_way = 0;
    int failures = 0;  // in a row
    absl::Time rest_until = absl::InfinitePast();
  };

  bool Stopping() const { return stop_; }
  void Pause(absl::Duration duration);
  void PlanLoop();
  // True: there is more to plan.
  absl::StatusOr<bool> Plan(const std::string& webhook_id);
  absl::StatusOr<bool> PlanAll();
  void KeepHouse();

  void DeliverLoop();
  // Waits for a delivery that is due; nullopt when stopping.
  std::optional<Delivery> Next();
  std::vector<std::string> Busy();
  void Deliver(Delivery delivery);
  absl::Status Note(const Delivery& delivery, const HttpAnswer& answer);
  void Begin(const std::string& webhook_id);
  // Rests a webhook that fails.
  void End(const std::string& webhook_id, bool ok);

  pg::Pool& pool_;
  const Options options_;
  std::atomic<bool> stop_ = false;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Health> health_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex turn_;  // held by the one thread that looks for the next delivery
  std::vector<std::thread> threads_;
};

}  // namespace godwit::registry
