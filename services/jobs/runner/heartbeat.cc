#include "services/jobs/runner/heartbeat.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"

namespace godwit::jobs {

Heartbeat::Heartbeat(JobStore& store, Clock& clock, absl::Duration ttl)
    : store_(store), clock_(clock), ttl_(ttl), thread_([this] { Loop(); }) {}

Heartbeat::~Heartbeat() { Stop(); }

void Heartbeat::Stop() {
  {
    const absl::MutexLock guard(&mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Heartbeat::Add(std::shared_ptr<HeldLease> lease) {
  const absl::MutexLock guard(&mutex_);
  leases_.push_back(std::move(lease));
}

void Heartbeat::Remove(const std::shared_ptr<HeldLease>& lease) {
  const absl::MutexLock guard(&mutex_);
  std::erase(leases_, lease);
}

void Heartbeat::Nudge() {
  const absl::MutexLock guard(&mutex_);
  nudged_ = true;
}

void Heartbeat::Loop() {
  while (true) {
    {
      const absl::MutexLock guard(&mutex_);
      const auto woken = [this]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_ || nudged_; };
      mutex_.AwaitWithTimeout(absl::Condition(&woken), ttl_ / 3);
      if (stop_) return;
      nudged_ = false;
    }
    RenewAll();
  }
}

void Heartbeat::RenewAll() {
  std::vector<std::shared_ptr<HeldLease>> leases;
  {
    const absl::MutexLock guard(&mutex_);
    leases = leases_;
  }
  for (const auto& lease : leases) {
    const absl::Duration sent_at = clock_.Monotonic();
    const auto renewal = store_.Renew(lease->lease(), ttl_);
    if (!renewal.ok()) {
      // Not lost yet: the holder's own clock decides when no renewal gets through.
      Log(Severity::kWarning, "lease not renewed",
          {{"run", absl::StrCat(lease->lease().run_id)},
           {"error", std::string(renewal.status().message())}});
    } else if (!renewal->held) {
      lease->MarkLost();
    } else {
      lease->Renewed(sent_at, renewal->cancel_requested);
    }
  }
}

}  // namespace godwit::jobs
