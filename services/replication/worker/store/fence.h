// The fence of a group: a file with the highest lease generation that ever opened it. Checked and
// moved under an exclusive lock, so that of two workers with one store only the newer one can
// commit.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"

namespace godwit::store {

// Holds the lock while it lives. Waits at most 10 s for it (DEADLINE_EXCEEDED).
class FenceLock {
 public:
  // Raises the fence to `generation`. ABORTED when it is higher already.
  static absl::StatusOr<FenceLock> Raise(const std::string& path, std::int64_t generation);
  // ABORTED unless the fence is at `generation`.
  static absl::StatusOr<FenceLock> Check(const std::string& path, std::int64_t generation);

 private:
  explicit FenceLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace godwit::store
