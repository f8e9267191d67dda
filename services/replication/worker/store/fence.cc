#include "services/replication/worker/store/fence.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr std::size_t kWidth = 20;

absl::StatusOr<Fd> Locked(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(path);
  const absl::Duration end = RealClock().Monotonic() + kPatience;
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(path);
    if (RealClock().Monotonic() > end) {
      return absl::DeadlineExceededError(path + ": another worker holds the lock");
    }
    RealClock().Sleep(absl::Milliseconds(5));
  }
  return fd;
}

// 0 for a new file.
absl::StatusOr<std::int64_t> Read(const Fd& fd, const std::string& path) {
  char text[kWidth];
  const ssize_t size = pread(fd.get(), text, sizeof text, 0);
  if (size < 0) return ErrnoStatus(path);
  if (size == 0) return 0;
  std::int64_t generation = 0;
  if (size != sizeof text || !absl::SimpleAtoi(absl::string_view(text, kWidth), &generation)) {
    return absl::DataLossError(path + ": not a lease generation");
  }
  return generation;
}

absl::Status Stale(std::int64_t own, std::int64_t found) {
  return absl::AbortedError(
      absl::StrFormat("lease generation %d is stale: %d is newer", own, found));
}

}  // namespace

absl::StatusOr<FenceLock> FenceLock::Raise(const std::string& path, std::int64_t generation) {
  ASSIGN_OR_RETURN(Fd fd, Locked(path));
  ASSIGN_OR_RETURN(const std::int64_t found, Read(fd, path));
  if (found > generation) return Stale(generation, found);
  if (found < generation) {
    const std::string text = absl::StrFormat("%020d", generation);
    if (pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        fsync(fd.get()) != 0) {
      return ErrnoStatus(path);
    }
  }
  return FenceLock(std::move(fd));
}

absl::StatusOr<FenceLock> FenceLock::Check(const std::string& path, std::int64_t generation) {
  ASSIGN_OR_RETURN(Fd fd, Locked(path));
  ASSIGN_OR_RETURN(const std::int64_t found, Read(fd, path));
  if (found != generation) return Stale(generation, found);
  return FenceLock(std::move(fd));
}

}  // namespace godwit::store
