// Small file helpers that say which file and what went wrong. All bounded.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit {

// The status for the present errno: ENOENT -> NOT_FOUND, EEXIST -> ALREADY_EXISTS, EACCES/EPERM ->
// PERMISSION_DENIED, ENOSPC/EDQUOT -> RESOURCE_EXHAUSTED, else INTERNAL, with "what: strerror".
absl::Status ErrnoStatus(absl::string_view what);

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { Reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// Reads a whole file of at most `max_bytes`; a larger one is RESOURCE_EXHAUSTED.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes = 16u << 20);

// Replaces `path` atomically and durably: temporary file, fsync, rename, fsync of the folder.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 unsigned mode = 0600);

// mkdir -p.
absl::Status MakeDirs(const std::string& path, unsigned mode = 0755);

// Makes `to` another name of the file `from`, in place of what had that name before.
absl::Status LinkFile(const std::string& from, const std::string& to);

// fsync of a folder, so that names made or removed in it survive a power cut.
absl::Status SyncDir(const std::string& path);

}  // namespace godwit
