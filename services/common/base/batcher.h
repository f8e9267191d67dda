// Calls that come at the same time are worked off together: what waits while a batch is under way
// makes the next one. No threads of its own: one of the callers works for the others. Thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace godwit {

template <typename In, typename Out>
class Batcher {
 public:
  // One answer for each of the calls, in their order. At most `parallel` run at once.
  using Work = std::function<std::vector<Out>(const std::vector<const In*>&)>;
  Batcher(Work work, std::size_t most, int parallel = 1)
      : work_(std::move(work)), most_(most), parallel_(parallel) {}

  // Blocks until the answer is there.
  Out Do(const In& in) {
    Slot slot{.in = &in};
    std::vector<Slot*> batch;
    {
      absl::MutexLock lock(&mutex_);
      waiting_.push_back(&slot);
      const auto turn = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return slot.out.has_value() || (running_ < parallel_ && !slot.taken);
      };
      mutex_.Await(absl::Condition(&turn));
      if (slot.out) return *std::move(slot.out);
      ++running_;
      const std::size_t count = std::min(most_, waiting_.size());
      // Those who waited longest, and always this one.
      for (std::size_t i = 0; i < count; ++i) batch.push_back(waiting_[i]);
      if (std::find(batch.begin(), batch.end(), &slot) == batch.end()) batch.back() = &slot;
      for (Slot* taken : batch) {
        taken->taken = true;
        waiting_.erase(std::find(waiting_.begin(), waiting_.end(), taken));
      }
    }
    std::vector<const In*> calls;
    calls.reserve(batch.size());
    for (const Slot* taken : batch) calls.push_back(taken->in);
    std::vector<Out> answers = work_(calls);
    absl::MutexLock lock(&mutex_);
    --running_;
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->out = std::move(answers[i]);
    return *std::move(slot.out);
  }

  // Calls whose batch was not begun yet.
  std::size_t waiting() const {
    absl::MutexLock lock(&mutex_);
    return waiting_.size();
  }

 private:
  struct Slot {
    const In* in;
    bool taken = false;  // by somebody who works for it
    std::optional<Out> out;
  };
  const Work work_;
  const std::size_t most_;
  const int parallel_;
  mutable absl::Mutex mutex_;
  std::deque<Slot*> waiting_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace godwit
