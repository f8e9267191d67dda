// Takes what is captured out of the kernel's ring all the time, so that the ring need only hold a
// few milliseconds of writing, and hands it over at any moment as the log of all writes up to then.
#pragma once

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/capture/write_capture.h"
#include "agent/engine/redo_log.h"

namespace godwit::agent {

// Called by one thread; has one of its own while it runs.
class CaptureStream {
 public:
  // `max_bytes`: of captured content that was not taken yet.
  CaptureStream(std::unique_ptr<WriteCapture> capture, std::size_t max_bytes);
  ~CaptureStream() { Stop(); }

  // Captures from now on.
  void Start();
  bool running() const { return thread_.joinable(); }
  // No more is captured. What was not taken is what Take answers then.
  void Stop();

  // Every write that was submitted before the call has ended. See WriteCapture::Settle.
  absl::Status Settle(absl::Duration patience);
  // To be called at least every few 100 ms, also when it does not run.
  void Upkeep() { capture_->Upkeep(); }

  // By any thread.
  CaptureLosses Losses() { return capture_->Losses(); }

  // Appends to *redo all that was captured since the last Take; *upto is a moment: every write that
  // had been submitted before it is there. DATA_LOSS or RESOURCE_EXHAUSTED: writes are missing
  // since the last Take (and *redo may lack any of them); then only Stop helps.
  absl::Status Take(RedoLog* redo, absl::Time* upto);
  // Thread-safe. What was captured and not taken; and what was captured at all, where a page counts
  // once between two calls of Take.
  struct Amount {
    std::int64_t waiting_bytes = 0, captured_bytes = 0;
  };
  Amount Captured();

 private:
  void Loop();
  absl::Status Drain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<WriteCapture> capture_;
  const std::size_t max_bytes_;
  std::thread thread_;
  absl::Mutex mutex_;  // of Drain and Complete
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  RedoLog redo_ ABSL_GUARDED_BY(mutex_);
  std::int64_t taken_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace godwit::agent
