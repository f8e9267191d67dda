#include "services/conversion/converter/guest_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/attributes.h"

namespace godwit::convert {
namespace {

constexpr char kBackup[] = ".pre-migration";
constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxNames = 10000;

// Where the file `path` (its last name is `name`) is kept as it was. In folders of which a system
// reads every file the copy is hidden, or it would count as one more connection or interface.
std::string BackupName(const std::string& path, const std::string& name) {
  for (const char* folder :
       {"etc/NetworkManager/system-connections/", "etc/network/interfaces.d/",
        "etc/sysconfig/network-scripts/", "etc/sysconfig/network/", "etc/cron.d/"}) {
    if (absl::StartsWith(path, folder)) return absl::StrCat(".", name, kBackup);
  }
  return name + kBackup;
}

absl::Status WriteAll(int fd, const std::string& content, const std::string& path) {
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t wrote = write(fd, content.data() + done, content.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return ErrnoStatus(path);
    done += static_cast<std::size_t>(wrote);
  }
  return absl::OkStatus();
}

}  // namespace

std::string Sha256Hex(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

absl::StatusOr<GuestRoot> GuestRoot::Open(const std::string& folder) {
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(folder);
  return GuestRoot(std::move(fd));
}

absl::StatusOr<Fd> GuestRoot::OpenAt(const std::string& path, int flags, unsigned mode) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC;
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string relative = absl::StrCat("./", path);
  Fd fd(static_cast<int>(syscall(SYS_openat2, root_.get(), relative.c_str(), &how, sizeof how)));
  if (!fd.valid()) return ErrnoStatus(path);
  return fd;
}

absl::StatusOr<std::pair<Fd, std::string>> GuestRoot::Parent(const std::string& path,
                                                             bool make) const {
  const std::vector<std::string> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  if (parts.empty()) return absl::InvalidArgumentError("an empty path");
  std::string folder = ".";
  ASSIGN_OR_RETURN(Fd at, OpenAt(folder, O_RDONLY | O_DIRECTORY));
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i] == "..") return absl::InvalidArgumentError(path);
    absl::StrAppend(&folder, "/", parts[i]);
    absl::StatusOr<Fd> next = OpenAt(folder, O_RDONLY | O_DIRECTORY);
    if (absl::IsNotFound(next.status()) && make) {
      if (mkdirat(at.get(), parts[i].c_str(), 0755) != 0) return ErrnoStatus(folder);
      made_folders_.push_back(folder.substr(2));
      next = OpenAt(folder, O_RDONLY | O_DIRECTORY);
    }
    RETURN_IF_ERROR(next);
    at = *std::move(next);
  }
  return std::make_pair(std::move(at), parts.back());
}

absl::StatusOr<std::string> GuestRoot::Read(const std::string& path, std::size_t max_bytes) const {
  // O_NONBLOCK: a FIFO must not hold us.
  ASSIGN_OR_RETURN(const Fd fd, OpenAt(path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(path);
  if (!S_ISREG(info.st_mode)) return absl::FailedPreconditionError(path + ": not a regular file");
  if (static_cast<std::uint64_t>(info.st_size) > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": larger than ", max_bytes, " bytes"));
  }
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = read(fd.get(), content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

bool GuestRoot::Exists(const std::string& path) const { return OpenAt(path, O_PATH).ok(); }

bool GuestRoot::IsSymlink(const std::string& path) const {
  const absl::StatusOr<Fd> fd = OpenAt(path, O_PATH | O_NOFOLLOW);
  struct stat info;
  return fd.ok() && fstat(fd->get(), &info) == 0 && S_ISLNK(info.st_mode);
}

std::string GuestRoot::ReadLink(const std::string& path) const {
  const absl::StatusOr<Fd> fd = OpenAt(path, O_PATH | O_NOFOLLOW);
  std::string target(4096, '\0');
  const ssize_t size = fd.ok() ? readlinkat(fd->get(), "", target.data(), target.size()) : -1;
  target.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return target;
}

std::vector<std::string> GuestRoot::List(const std::string& path) const {
  std::vector<std::string> names;
  absl::StatusOr<Fd> fd = OpenAt(path, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return names;
  DIR* const folder = fdopendir(dup(fd->get()));
  if (folder == nullptr) return names;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && names.size() < kMaxNames) names.push_back(name);
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> GuestRoot::PathOfFolder(const std::string& path) const {
  ASSIGN_OR_RETURN(const Fd fd, OpenAt(path, O_PATH | O_DIRECTORY));
  std::error_code error;
  const std::string real =
      std::filesystem::read_symlink(absl::StrCat("/proc/self/fd/", fd.get()), error).string();
  if (error) return absl::InternalError(absl::StrCat(path, ": ", error.message()));
  return real;
}

absl::StatusOr<std::int64_t> GuestRoot::FreeBytes(const std::string& path) const {
  ASSIGN_OR_RETURN(const Fd fd, OpenAt(path, O_RDONLY | O_DIRECTORY));
  struct statvfs info;
  if (fstatvfs(fd.get(), &info) != 0) return ErrnoStatus(path);
  return static_cast<std::int64_t>(info.f_bavail * info.f_frsize);
}

absl::Status GuestRoot::Write(const std::string& step, const std::string& path,
                              const std::string& content, const std::string& summary, bool keep,
                              unsigned mode) {
  const absl::StatusOr<std::string> before = Read(path, std::size_t{512} << 20);
  if (before.ok() && *before == content) return absl::OkStatus();
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  Change change{.step = step, .path = path, .after_sha256 = Sha256Hex(content), .summary = summary};
  if (before.ok()) change.before_sha256 = Sha256Hex(*before);
  if (before.ok() && keep) change.kept = KeptPath(path);
  changes_.push_back(change);
  if (dry_run_) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto parent, Parent(path, /*make=*/true));
  auto& [folder, name] = parent;
  struct stat info {};
  const bool known = before.ok() && fstatat(folder.get(), name.c_str(), &info, 0) == 0;
  // The oldest copy is the source's own: a later conversion must not overwrite it with ours.
  if (before.ok() && keep) {
    const std::string copy = BackupName(path, name);
    if (linkat(folder.get(), name.c_str(), folder.get(), copy.c_str(), 0) != 0 && errno != EEXIST) {
      // FAT has no links.
      RETURN_IF_ERROR(Replace(folder.get(), copy, path, *before, 0644, known ? &info : nullptr));
    }
  }
  return Replace(folder.get(), name, path, content, mode, known ? &info : nullptr);
}

absl::Status GuestRoot::Replace(int folder, const std::string& name, const std::string& path,
                                const std::string& content, unsigned mode,
                                const struct stat* info) {
  const std::string temporary = name + ".migrating";
  unlinkat(folder, temporary.c_str(), 0);
  {
    const Fd fd(openat(folder, temporary.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid()) return ErrnoStatus(path);
    RETURN_IF_ERROR(WriteAll(fd.get(), content, path));
    if (fchmod(fd.get(), info != nullptr ? info->st_mode & 07777 : mode) != 0)
      return ErrnoStatus(path);
    if (info != nullptr && fchown(fd.get(), info->st_uid, info->st_gid) != 0)
      return ErrnoStatus(path);
    CopyAttributes(folder, info != nullptr ? name : "", fd.get());
    if (fsync(fd.get()) != 0) return ErrnoStatus(path);
  }
  return renameat(folder, temporary.c_str(), folder, name.c_str()) == 0 ? absl::OkStatus()
                                                                        : ErrnoStatus(path);
}

absl::Status GuestRoot::Put(const std::string& path, const std::string& content, unsigned mode) {
  ASSIGN_OR_RETURN(const auto parent, Parent(path, /*make=*/true));
  return Replace(parent.first.get(), parent.second, path, content, mode, nullptr);
}

absl::Status GuestRoot::MakeFolderOf(const std::string& path) const {
  return Parent(path, /*make=*/true).status();
}

absl::Status GuestRoot::Rename(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const auto source, Parent(from, /*make=*/false));
  ASSIGN_OR_RETURN(const auto target, Parent(to, /*make=*/true));
  return renameat(source.first.get(), source.second.c_str(), target.first.get(),
                  target.second.c_str()) == 0
             ? absl::OkStatus()
             : ErrnoStatus(from);
}

absl::Status GuestRoot::Unlink(const std::string& path) {
  ASSIGN_OR_RETURN(const auto parent, Parent(path, /*make=*/false));
  const char* const name = parent.second.c_str();
  if (unlinkat(parent.first.get(), name, 0) == 0) return absl::OkStatus();
  if (errno == EISDIR && unlinkat(parent.first.get(), name, AT_REMOVEDIR) == 0)
    return absl::OkStatus();
  if (errno == ENOTEMPTY) return absl::FailedPreconditionError(path + ": not empty");
  return ErrnoStatus(path);
}

std::string GuestRoot::KeptPath(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  return folder + BackupName(path, path.substr(folder.size()));
}

absl::Status GuestRoot::Link(const std::string& step, const std::string& path,
                             const std::string& target, const std::string& summary) {
  if (ReadLink(path) == target) return absl::OkStatus();
  changes_.push_back(
      {.step = step, .path = path, .after_sha256 = Sha256Hex(target), .summary = summary});
  if (dry_run_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto parent, Parent(path, /*make=*/true));
  return symlinkat(target.c_str(), parent.first.get(), parent.second.c_str()) == 0
             ? absl::OkStatus()
             : ErrnoStatus(path);
}

std::string GuestRoot::Attribute(const std::string& path, const std::string& name) const {
  const absl::StatusOr<Fd> fd = OpenAt(path, O_RDONLY | O_NONBLOCK);
  std::string value(std::size_t{64} << 10, '\0');
  const ssize_t got = fd.ok() ? fgetxattr(fd->get(), name.c_str(), value.data(), value.size()) : -1;
  value.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return value;
}

absl::Status GuestRoot::SetAttribute(const std::string& path, const std::string& name,
                                     const std::string& value) const {
  ASSIGN_OR_RETURN(const Fd fd, OpenAt(path, O_RDONLY | O_NONBLOCK));
  const bool set = fsetxattr(fd.get(), name.c_str(), value.data(), value.size(), 0) == 0;
  return set || errno == ENOTSUP ? absl::OkStatus() : ErrnoStatus(path);
}

absl::Status GuestRoot::RemoveTree(int folder, const std::string& name, int depth) {
  if (unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if ((errno != EISDIR && errno != EPERM) || depth > kMaxDepth) return ErrnoStatus(name);
  const Fd below(openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!below.valid()) return ErrnoStatus(name);
  DIR* const listing = fdopendir(dup(below.get()));
  if (listing == nullptr) return ErrnoStatus(name);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing)) {
    const std::string child = entry->d_name;
    if (child != "." && child != "..") names.push_back(child);
  }
  closedir(listing);
  for (const std::string& child : names) RETURN_IF_ERROR(RemoveTree(below.get(), child, depth + 1));
  return unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0 ? absl::OkStatus() : ErrnoStatus(name);
}

absl::Status GuestRoot::Remove(const std::string& step, const std::string& path,
                               const std::string& summary) {
  absl::StatusOr<std::pair<Fd, std::string>> parent = Parent(path, /*make=*/false);
  if (absl::IsNotFound(parent.status())) return absl::OkStatus();
  RETURN_IF_ERROR(parent);
  struct stat info;
  if (fstatat(parent->first.get(), parent->second.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return absl::OkStatus();
  Change change{.step = step, .path = path, .summary = summary};
  if (const absl::StatusOr<std::string> before = Read(path); before.ok())
    change.before_sha256 = Sha256Hex(*before);
  changes_.push_back(change);
  return dry_run_ ? absl::OkStatus() : RemoveTree(parent->first.get(), parent->second, 0);
}

}  // namespace godwit::convert
