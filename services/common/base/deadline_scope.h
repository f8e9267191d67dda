// By when the work of this thread must have ended: what waits for somebody else (a database, a
// lock) waits no longer than that.
#pragma once

#include "absl/time/time.h"

namespace godwit {

// While it lives, the work of this thread must end within `left`, or earlier when the scope around
// it says so. Steps of the wall clock do not move it. Nests; for one thread.
class DeadlineScope {
 public:
  explicit DeadlineScope(absl::Duration left);
  ~DeadlineScope();
  DeadlineScope(const DeadlineScope&) = delete;
  DeadlineScope& operator=(const DeadlineScope&) = delete;

 private:
  const absl::Duration before_;
};

// What is left to this thread: zero when the time is over, infinite without a scope.
absl::Duration TimeLeft();

}  // namespace godwit
