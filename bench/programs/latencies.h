// How long calls took. Thread-safe.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace godwit::bench {

class Latencies {
 public:
  void Add(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    seconds_.push_back(static_cast<float>(absl::ToDoubleSeconds(time)));
  }
  void Fail() {
    absl::MutexLock lock(&mutex_);
    ++failed_;
  }
  // Count, failures and quantiles in seconds since the last call.
  nlohmann::json Take() {
    absl::MutexLock lock(&mutex_);
    std::sort(seconds_.begin(), seconds_.end());
    const auto at = [&](double share) {
      return seconds_.empty() ? 0.0F
                              : seconds_[static_cast<std::size_t>(
                                    share * static_cast<double>(seconds_.size() - 1))];
    };
    nlohmann::json out = {{"count", seconds_.size()},
                          {"failed", failed_},
                          {"p50", at(0.5)},
                          {"p99", at(0.99)},
                          {"max", at(1)}};
    seconds_.clear();
    failed_ = 0;
    return out;
  }

 private:
  absl::Mutex mutex_;
  std::vector<float> seconds_ ABSL_GUARDED_BY(mutex_);
  std::int64_t failed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace godwit::bench
