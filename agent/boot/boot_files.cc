#include "agent/boot/boot_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::uint64_t kAnySize = std::uint64_t{512} << 20;
constexpr std::uint64_t kSettings = std::uint64_t{16} << 20;
constexpr int kDeep = 32;

struct Wanted {
  const char* path;
  int depth;                 // of folders below it whose names are wanted; 0: the path alone
  std::uint64_t file_bytes;  // larger files have their names picked only
  const char* prefix = "";   // of the names of files whose content is wanted
};
// The most wanted ones first.
constexpr Wanted kWanted[] = {
    {"", 1, 0},
    {"/usr", 1, 0},
    {"/boot", kDeep, kAnySize},
    {"/efi", kDeep, kAnySize},
    {"/etc/os-release", 0, kSettings},
    {"/usr/lib/os-release", 0, kSettings},
    {"/etc", kDeep, kSettings},
    {"/lib/modules", kDeep, kSettings, "modules."},
    {"/usr/lib/modules", kDeep, kSettings, "modules."},
    {"/bin/true", 0, kSettings},
    {"/usr/bin/true", 0, kSettings},
    {"/sbin", 1, 0},
    {"/usr/sbin", 1, 0},
    {"/bin", 1, 0},
    {"/usr/bin", 1, 0},
    {"/lib/systemd", 1, 0},
    {"/usr/lib/systemd", 1, 0},
    {"/usr/local/sbin", 1, 0},
    {"/var/lib", 1, 0},
};

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

class Walk {
 public:
  Walk(Picker& picker, const InodeMaps& maps) : picker_(picker), maps_(maps) {}

  // A path without links, from the machine's root `root` on.
  absl::Status PickPath(const std::string& root, const std::string& path, const Wanted& wanted) {
    std::string at = root;
    for (const absl::string_view part : absl::StrSplit(path.substr(root.size()), '/')) {
      if (!part.empty()) absl::StrAppend(&at, "/", part);
      struct stat info;
      if (!Stat(at, &info)) return absl::OkStatus();
      RETURN_IF_ERROR(PickInode(info.st_dev, info.st_ino, wanted.file_bytes));
    }
    return wanted.depth > 0 ? PickBelow(path, wanted) : absl::OkStatus();
  }

 private:
  // Nothing is mounted by asking.
  static bool Stat(const std::string& path, struct stat* info) {
    return fstatat(AT_FDCWD, path.empty() ? "/" : path.c_str(), info,
                   AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0;
  }
  // Looking leaves no time of access behind.
  static std::unique_ptr<DIR, CloseFolder> Open(const std::string& path) {
    const int fd = open(path.empty() ? "/" : path.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
    if (fd < 0) return nullptr;
    std::unique_ptr<DIR, CloseFolder> folder(fdopendir(fd));
    if (folder == nullptr) close(fd);
    return folder;
  }
  absl::Status PickInode(dev_t device, std::uint64_t inode, std::uint64_t file_bytes) {
    const auto map = maps_.find(device);
    if (map == maps_.end()) return absl::OkStatus();
    RETURN_IF_ERROR(picker_.Name());
    // Of an inode that is not on the disk yet, or is damaged, there is nothing to pick.
    map->second->PickInode(inode, file_bytes).IgnoreError();
    return picker_.spent();
  }
  absl::Status PickBelow(const std::string& top, const Wanted& wanted) {
    std::deque<std::pair<std::string, int>> folders = {{top, 1}};
    for (; !folders.empty(); folders.pop_front()) {
      const auto [path, depth] = folders.front();
      struct stat info;
      if (!Stat(path, &info) || !S_ISDIR(info.st_mode) || !maps_.contains(info.st_dev)) continue;
      // What is mounted here has a root of its own.
      RETURN_IF_ERROR(PickInode(info.st_dev, info.st_ino, 0));
      const std::unique_ptr<DIR, CloseFolder> folder = Open(path);
      if (folder == nullptr) continue;
      while (const dirent* const entry = readdir(folder.get())) {
        const absl::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        const bool content = absl::StartsWith(name, wanted.prefix);
        // Of a mount point this is the inode below it.
        RETURN_IF_ERROR(
            PickInode(info.st_dev, entry->d_ino, content ? wanted.file_bytes : std::uint64_t{0}));
        if (depth < wanted.depth && (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN))
          folders.emplace_back(absl::StrCat(path, "/", name), depth + 1);
      }
    }
    return absl::OkStatus();
  }

  Picker& picker_;
  const InodeMaps& maps_;
};

}  // namespace

absl::Status PickBootFiles(Picker& picker, const std::string& root, const InodeMaps& maps) {
  std::set<std::pair<std::string, int>> seen;
  std::error_code error;
  const std::string top = root.empty() ? "" : std::filesystem::canonical(root, error).string();
  if (error) return absl::OkStatus();
  Walk walk(picker, maps);
  for (const Wanted& wanted : kWanted) {
    // /lib may be a link to /usr/lib: then both are one path.
    const std::string wished = top + wanted.path;
    std::string path = std::filesystem::canonical(wished.empty() ? "/" : wished, error).string();
    if (error) continue;
    if (path == "/") path.clear();
    if (!absl::StartsWith(path, top) || !seen.emplace(path, wanted.depth).second) continue;
    RETURN_IF_ERROR(walk.PickPath(top, path, wanted));
    picker.EndStage();
  }
  return absl::OkStatus();
}

}  // namespace godwit::agent
