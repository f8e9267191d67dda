#include "services/common/base/standstill.h"

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/json_log.h"

namespace godwit {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(250);

std::atomic<Standstill*> of_this_process{nullptr};

}  // namespace

Standstill::Standstill(Clock& clock, Options options)
    : clock_(clock), options_(options), last_(clock.Monotonic()), settled_(last_) {}

void Standstill::Tick(const std::function<void(absl::Duration)>& noticed) {
  absl::Duration gap;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_.Monotonic();
    gap = now - last_;
    last_ = now;
    if (gap > options_.limit) settled_ = now + options_.settle;
  }
  if (gap > options_.limit && noticed != nullptr) noticed(gap);
}

bool Standstill::Recent() const {
  const absl::MutexLock lock(&mutex_);
  const absl::Duration now = clock_.Monotonic();
  return now < settled_ || now - last_ > options_.limit;
}

void WatchStandstill() {
  static const bool watching = [] {
    // Never destroyed: calls may ask until the very end.
    auto* const watched = new Standstill(RealClock(), {});
    of_this_process = watched;
    std::thread([watched] {
      while (true) {
        RealClock().Sleep(kTick);
        watched->Tick([](absl::Duration gap) {
          Log(Severity::kWarning, "the process stood still",
              {{"time", absl::FormatDuration(absl::Trunc(gap, absl::Milliseconds(1)))}});
        });
      }
    }).detach();
    return true;
  }();
  (void)watching;
}

bool StoodStill() {
  // Tests turn it off to show what it prevents.
  if (!GODWIT_FAILPOINT_STATUS("base.standstill.guard").ok()) return false;
  const Standstill* const watched = of_this_process;
  return watched != nullptr && watched->Recent();
}

}  // namespace godwit
