#include "services/jobs/targets/machine_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"

namespace godwit::jobs {
namespace {

constexpr int kLockFiles = 64;
constexpr absl::Duration kLockTimeout = absl::Seconds(120);

}  // namespace

absl::StatusOr<Fd> LockMachine(const std::string& dir, const std::string& machine_id) {
  // A fixed set of files shared by all machines: a lock's file must never be removed.
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : machine_id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  const std::string path = absl::StrCat(dir, "/.lock-", hash % kLockFiles);
  Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return ErrnoStatus(path);
  const absl::Time deadline = SteadyNow() + kLockTimeout;
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(path);
    if (SteadyNow() > deadline)
      return absl::UnavailableError("the machine stays locked by another call");
    absl::SleepFor(absl::Milliseconds(10));
  }
  return lock;
}

absl::StatusOr<std::vector<std::string>> MachineFolders(const std::string& dir) {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (CheckId("machine_id", "i-", name).ok()) out.push_back(name);
  }
  if (error) return absl::InternalError(absl::StrCat(dir, ": ", error.message()));
  std::sort(out.begin(), out.end());
  return out;
}

// At most `most` bytes of a log from `offset` (negative: from the end).
absl::StatusOr<ConsoleChunk> ReadLog(const std::string& path, std::int64_t offset,
                                     std::int64_t most) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid())
    return errno == ENOENT ? ConsoleChunk{} : absl::StatusOr<ConsoleChunk>(ErrnoStatus(path));
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return ErrnoStatus(path);
  if (offset < 0) offset = std::max<std::int64_t>(0, info.st_size + offset);
  ConsoleChunk chunk{.next_offset = offset};
  if (offset >= info.st_size) return chunk;
  chunk.content.resize(static_cast<std::size_t>(std::min(most, info.st_size - offset)));
  const ssize_t got = pread(file.get(), chunk.content.data(), chunk.content.size(), offset);
  if (got < 0) return ErrnoStatus(path);
  chunk.content.resize(static_cast<std::size_t>(got));
  chunk.next_offset = offset + got;
  return chunk;
}

}  // namespace godwit::jobs
