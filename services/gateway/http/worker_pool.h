// Threads for what blocks (calls of other services), with a bounded queue.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace godwit::gateway {

// Thread-safe.
class WorkerPool {
 public:
  WorkerPool(int threads, std::size_t queue);
  ~WorkerPool();  // Stop()
  // False: the queue is full or the pool stops; `work` was not and will not be run.
  bool Submit(std::function<void()> work);
  // Runs what is queued, then ends. Idempotent.
  void Stop();
  std::size_t waiting() const;
  // How much work was done so far.
  std::uint64_t finished() const { return finished_; }

 private:
  void Run();

  const std::size_t most_;
  mutable absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> finished_ = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace godwit::gateway
