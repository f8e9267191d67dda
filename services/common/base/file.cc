#include "services/common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit {

absl::Status ErrnoStatus(absl::string_view what) {
  const int error = errno;
  const std::string text = absl::StrCat(what, ": ", strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

void Fd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(path);
  std::string out;
  char buffer[8 * 1024];  // threads of libraries have small stacks
  while (true) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path);
    if (got == 0) return out;
    if (out.size() + static_cast<std::size_t>(got) > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path, ": larger than ", max_bytes, " bytes"));
    }
    out.append(buffer, static_cast<std::size_t>(got));
  }
}

absl::Status SyncDir(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(path);
  if (fsync(fd.get()) != 0) return ErrnoStatus(absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content,
                                 unsigned mode) {
  const std::string temporary = absl::StrCat(path, ".", NewId("tmp-"));
  const auto write_all = [&]() -> absl::Status {
    const Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd.valid()) return ErrnoStatus(temporary);
    std::size_t done = 0;
    while (done < content.size()) {
      const ssize_t put = write(fd.get(), content.data() + done, content.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoStatus(temporary);
      done += static_cast<std::size_t>(put);
    }
    if (fsync(fd.get()) != 0) return ErrnoStatus(absl::StrCat("fsync ", temporary));
    if (rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus(path);
    return absl::OkStatus();
  };
  const absl::Status status = write_all();
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  const std::size_t slash = path.rfind('/');
  return SyncDir(slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
}

absl::Status MakeDirs(const std::string& path, unsigned mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return ErrnoStatus(part);
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(path);
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": not a folder"));
  }
  return absl::OkStatus();
}

absl::Status LinkFile(const std::string& from, const std::string& to) {
  if (unlink(to.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(to);
  return link(from.c_str(), to.c_str()) == 0 ? absl::OkStatus()
                                             : ErrnoStatus(absl::StrCat(from, " as ", to));
}

}  // namespace godwit
