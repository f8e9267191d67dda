#include "agent/engine/rate_limit.h"

#include <algorithm>
#include <utility>

namespace godwit::agent {
namespace {

// A new rate is noticed within this.
constexpr absl::Duration kStep = absl::Milliseconds(100);
// An even flow has charges that take no longer than this.
constexpr absl::Duration kEven = absl::Milliseconds(40);

}  // namespace

void RateLimit::Refill() {
  const absl::Duration now = clock_.Monotonic();
  if (rate_ > 0) {
    allowance_ = std::min(allowance_ + rate_ * absl::ToDoubleSeconds(now - checked_),
                          rate_ * absl::ToDoubleSeconds(kBurst));
  } else {
    allowance_ = 0;
  }
  checked_ = now;
}

void RateLimit::SetRate(std::int64_t bytes_per_second) {
  absl::MutexLock lock(&mutex_);
  Refill();
  rate_ = static_cast<double>(std::max<std::int64_t>(bytes_per_second, 0));
}

void RateLimit::Charge(std::int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  Refill();
  if (rate_ > 0) allowance_ -= static_cast<double>(bytes);
}

absl::Duration RateLimit::Debt() {
  absl::MutexLock lock(&mutex_);
  Refill();
  return allowance_ >= 0 ? absl::ZeroDuration() : absl::Seconds(-allowance_ / rate_);
}

void RateLimit::Settle() {
  for (absl::Duration debt = Debt(); debt > absl::ZeroDuration(); debt = Debt()) {
    const absl::Duration from = clock_.Monotonic();
    // Not less than what a timer can do; what is slept too long is had back from the burst.
    clock_.Sleep(std::clamp(debt, absl::Microseconds(50), kStep));
    absl::MutexLock lock(&mutex_);
    waited_ += clock_.Monotonic() - from;
  }
}

std::int64_t RateLimit::BestCharge() {
  absl::MutexLock lock(&mutex_);
  return rate_ > 0 ? static_cast<std::int64_t>(rate_ * absl::ToDoubleSeconds(kEven)) : INT64_MAX;
}

absl::Duration RateLimit::TakeWait() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(waited_, absl::ZeroDuration());
}

}  // namespace godwit::agent
