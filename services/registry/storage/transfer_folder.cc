#include "services/registry/storage/transfer_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry::storage {
namespace {

constexpr std::size_t kMostBucket = 255;
constexpr std::size_t kMostKey = 1024;
constexpr std::size_t kMostNames = 16;
constexpr std::size_t kMostName = 240;  // leaves room for the name of a temporary file
constexpr std::size_t kPiece = 256u << 10;

bool IsDots(absl::string_view name) { return name.find_first_not_of('.') == name.npos; }

absl::Status Failed(const std::string& shown, const char* doing) {
  if (errno == ENOENT) return absl::NotFoundError(absl::StrCat("there is no ", shown));
  if (errno == ELOOP || errno == ENOTDIR || errno == ENXIO || errno == EISDIR) {
    return absl::FailedPreconditionError(
        absl::StrCat(shown, ": a link, or something that is neither folder nor file"));
  }
  return ErrnoStatus(absl::StrCat(doing, " ", shown));
}

absl::StatusOr<Fd> OpenFolder(int parent, const std::string& name, const std::string& shown) {
  Fd fd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return Failed(shown, "opening");
  return fd;
}

// The folder that the last of `names` lies in. With `make` missing ones below the first are made.
absl::StatusOr<Fd> OpenParent(const std::string& root, const std::vector<std::string>& names,
                              bool make) {
  if (root.empty()) {
    return absl::FailedPreconditionError(
        "the registry has no transfer folder for buckets (--transfer-dir)");
  }
  // The folder itself is the administrator's and may be a link.
  Fd fd(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("opening the transfer folder (--transfer-dir)");
  std::string shown;
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    absl::StrAppend(&shown, i == 0 ? "bucket " : "/", names[i]);
    if (make && i > 0 && mkdirat(fd.get(), names[i].c_str(), 0770) != 0 && errno != EEXIST) {
      return ErrnoStatus(absl::StrCat("making folder ", shown));
    }
    ASSIGN_OR_RETURN(fd, OpenFolder(fd.get(), names[i], shown));
  }
  return fd;
}

absl::Status WriteAll(int fd, absl::string_view content) {
  while (!content.empty()) {
    const ssize_t wrote = write(fd, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return ErrnoStatus("writing");
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (fsync(fd) != 0) return ErrnoStatus("writing");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> TransferPath(absl::string_view bucket,
                                                      absl::string_view key) {
  const auto wrong = [](const char* what) { return absl::InvalidArgumentError(what); };
  bool good = !bucket.empty() && bucket.size() <= kMostBucket && !IsDots(bucket);
  for (const char c : bucket) {
    good = good && (absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_');
  }
  if (!good) return wrong("bucket: must be 1 to 255 letters, digits, dots, dashes, underscores");
  if (key.size() > kMostKey || !absl::EndsWith(key, ".csv")) {
    return wrong("key: must end with .csv and have at most 1024 bytes");
  }
  for (const char c : key) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return wrong("key: control characters");
  }
  std::vector<std::string> names = absl::StrSplit(key, '/');
  if (names.size() > kMostNames) return wrong("key: more than 16 names");
  for (const std::string& name : names) {
    if (name.empty() || name.size() > kMostName || IsDots(name)) {
      return wrong("key: each name between slashes must have 1 to 240 bytes and not be dots alone");
    }
  }
  names.insert(names.begin(), std::string(bucket));
  return names;
}

absl::StatusOr<std::string> TransferFolder::Read(const std::string& bucket, const std::string& key,
                                                 std::size_t most) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, TransferPath(bucket, key));
  ASSIGN_OR_RETURN(const Fd parent, OpenParent(path_, names, /*make=*/false));
  const std::string shown = absl::StrCat("file ", absl::StrJoin(names, "/"));
  // Without waiting for a writer, should it be a pipe.
  const Fd file(openat(parent.get(), names.back().c_str(),
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) return Failed(shown, "opening");
  struct stat about;
  if (fstat(file.get(), &about) != 0) return ErrnoStatus(shown);
  if (!S_ISREG(about.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(shown, " is no regular file"));
  }
  std::string content;
  while (true) {
    const std::size_t before = content.size();
    content.resize(before + kPiece);
    const ssize_t got = read(file.get(), content.data() + before, kPiece);
    content.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(absl::StrCat("reading ", shown));
    if (got == 0) return content;
    if (content.size() > most) {
      return absl::OutOfRangeError(
          absl::StrCat(shown, " has more than ", most, " bytes, which is the most: split it"));
    }
  }
}

absl::Status TransferFolder::Write(const std::string& bucket, const std::string& key,
                                   const std::string& writer, absl::string_view content) const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, TransferPath(bucket, key));
  ASSIGN_OR_RETURN(const Fd parent, OpenParent(path_, names, /*make=*/true));
  const std::string temporary = absl::StrCat(".", writer, ".tmp");
  unlinkat(parent.get(), temporary.c_str(), 0);  // of a writer that was killed
  const Fd file(openat(parent.get(), temporary.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!file.valid()) return ErrnoStatus(absl::StrCat("making a file in bucket ", bucket));
  absl::Status status = WriteAll(file.get(), content);
  // A rename replaces a link itself, not what it leads to.
  if (status.ok() &&
      renameat(parent.get(), temporary.c_str(), parent.get(), names.back().c_str()) != 0) {
    status = Failed(absl::StrCat("file ", absl::StrJoin(names, "/")), "replacing");
  }
  if (!status.ok()) {
    unlinkat(parent.get(), temporary.c_str(), 0);
    return status;
  }
  if (fsync(parent.get()) != 0) return ErrnoStatus(absl::StrCat("writing bucket ", bucket));
  return absl::OkStatus();
}

absl::Status TransferFolder::CheckBucket(const std::string& bucket) const {
  return OpenParent(path_, {bucket, "x"}, /*make=*/false).status();
}

}  // namespace godwit::registry::storage
