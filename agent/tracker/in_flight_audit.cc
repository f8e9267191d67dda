#include "agent/tracker/in_flight_audit.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include "absl/time/clock.h"
#include "services/common/base/clock.h"

namespace godwit::agent {
namespace {
constexpr absl::Duration kPause = absl::Microseconds(500);
constexpr std::int64_t kNotSeen = std::numeric_limits<std::int64_t>::max();
}  // namespace

void InFlightAudit::Look(absl::Time now) {
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    std::atomic_ref<std::int64_t> shared(slots_[slot]);
    const std::int64_t value = shared.load(std::memory_order_relaxed);
    // Under way when the programs came: ended without having begun.
    if (value < 0) shared.fetch_sub(value);
    if (value <= 0) {
      if (!watched_.empty()) watched_.erase(slot);
      continue;
    }
    const auto [watch, added] =
        watched_.try_emplace(slot, Watch{.since = now, .smallest = value, .in_check = value});
    watch->second.smallest = std::min(watch->second.smallest, value);
    watch->second.in_check = std::min(watch->second.in_check, value);
  }
}

void InFlightAudit::Check(bool exact, const std::function<void(std::size_t)>& suspect) {
  const absl::Time begin = SteadyNow();
  for (auto& [slot, watch] : watched_) watch.in_check = kNotSeen;
  Look(begin);
  // Requests that begin after the first look do not matter: their slots were at zero.
  const auto undecided = [&] {
    return std::any_of(watched_.begin(), watched_.end(), [&](const auto& entry) {
      return entry.second.since <= begin && entry.second.in_check > entry.second.told;
    });
  };
  while (exact && undecided() && SteadyNow() - begin < kExactPatience) {
    absl::SleepFor(kPause);
    Look(SteadyNow());
  }
  const absl::Time now = SteadyNow();
  for (auto entry = watched_.begin(); entry != watched_.end();) {
    auto& [slot, watch] = *entry;
    if (now - watch.since >= patience_) {
      suspect(slot);
      std::atomic_ref<std::int64_t>(slots_[slot]).fetch_sub(watch.smallest);
      entry = watched_.erase(entry);
      continue;
    }
    if (exact && watch.since <= begin && watch.in_check > watch.told) {
      suspect(slot);
      watch.told = watch.in_check;
    }
    ++entry;
  }
}

}  // namespace godwit::agent
