// Calls that come at the same time are worked off together: what waits while a batch is under way
// makes the next one. No threads of its own: one of the callers works for the others. Thread-safe.
// A caller waits no longer than the DeadlineScope of its thread allows; one that works for others
// works its batch to the end, with limits of its own (DeadlineScope::ForOthers).
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/deadline_scope.h"

namespace godwit {

template <typename In, typename Out>
class Batcher {
 public:
  // One answer for each of the calls, in their order. At most `parallel` run at once.
  using Work = std::function<std::vector<Out>(const std::vector<const In*>&)>;
  Batcher(Work work, std::size_t most, int parallel = 1)
      : work_(std::move(work)), most_(most), parallel_(parallel) {}

  // Blocks until the answer is there; nullopt when the time of this thread is over before. Then the
  // work may be done or not, later or never. `in` outlives the call, so it must own what it names.
  std::optional<Out> Do(In in) {
    const auto slot = std::make_shared<Slot>(std::move(in));
    Batch batch;
    {
      absl::MutexLock lock(&mutex_);
      waiting_.push_back(slot);
      if (!AwaitTurn(*slot)) {
        const auto place = std::find(waiting_.begin(), waiting_.end(), slot);
        if (place != waiting_.end()) waiting_.erase(place);
        return std::nullopt;
      }
      if (slot->out) return std::move(slot->out);
      ++running_;
      batch = TakeBatch(slot);
    }
    std::vector<const In*> calls;
    calls.reserve(batch.size());
    for (const auto& taken : batch) calls.push_back(&taken->in);
    std::vector<Out> answers = work_(calls);
    absl::MutexLock lock(&mutex_);
    --running_;
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->out = std::move(answers[i]);
    return std::move(slot->out);
  }

  // Calls whose batch was not begun yet.
  std::size_t waiting() const {
    absl::MutexLock lock(&mutex_);
    return waiting_.size();
  }

 private:
  struct Slot {
    explicit Slot(In call) : in(std::move(call)) {}
    const In in;
    bool taken = false;  // by somebody who works for it
    std::optional<Out> out;
  };
  using Batch = std::vector<std::shared_ptr<Slot>>;
  // The wall clock that a mutex waits by may be set back meanwhile.
  static constexpr absl::Duration kLook = absl::Seconds(1);

  // False when this thread's time is over.
  bool AwaitTurn(const Slot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto turn = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return slot.out.has_value() || (running_ < parallel_ && !slot.taken);
    };
    while (!turn()) {
      const absl::Duration left = TimeLeft();
      if (left <= absl::ZeroDuration()) return false;
      mutex_.AwaitWithTimeout(absl::Condition(&turn), std::min(left, kLook));
    }
    return true;
  }

  // Those who waited longest, and always `own`.
  Batch TakeBatch(const std::shared_ptr<Slot>& own) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto count = static_cast<std::ptrdiff_t>(std::min(most_, waiting_.size()));
    Batch batch(waiting_.begin(), waiting_.begin() + count);
    if (std::find(batch.begin(), batch.end(), own) == batch.end()) batch.back() = own;
    for (const auto& taken : batch) {
      taken->taken = true;
      waiting_.erase(std::find(waiting_.begin(), waiting_.end(), taken));
    }
    return batch;
  }

  const Work work_;
  const std::size_t most_;
  const int parallel_;
  mutable absl::Mutex mutex_;
  std::deque<std::shared_ptr<Slot>> waiting_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace godwit
