#include "services/conversion/converter/volumes.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace fs = std::filesystem;
namespace {

std::int64_t ReadNumber(const fs::path& path) {
  const absl::StatusOr<std::string> text = ReadFile(path.string(), 64);
  std::int64_t value = 0;
  return text.ok() && absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &value) ? value : 0;
}

absl::StatusOr<Volume> Probe(const std::string& device, const std::string& source,
                             std::int64_t bytes) {
  const Fd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(device);
  std::string head(131072, '\0');
  const ssize_t got = pread(fd.get(), head.data(), head.size(), 0);
  if (got < 0) return ErrnoStatus(device);
  head.resize(static_cast<std::size_t>(got));
  const Superblock super = ParseSuperblock(head);
  return Volume{.device = device,
                .source_device = source,
                .type = super.type,
                .uuid = super.uuid,
                .label = super.label,
                .size_bytes = bytes};
}

}  // namespace

std::string PartitionName(const std::string& disk, int number) {
  const bool digit = !disk.empty() && absl::ascii_isdigit(static_cast<unsigned char>(disk.back()));
  return absl::StrCat(disk, digit ? "p" : "", number);
}

absl::StatusOr<std::vector<Volume>> FindVolumes(const std::vector<std::string>& source_disks) {
  std::vector<Volume> volumes;
  for (std::size_t i = 0; i < source_disks.size(); ++i) {
    if (i >= 26) return absl::InvalidArgumentError("more than 26 disks");
    const std::string name = absl::StrCat("vd", std::string(1, static_cast<char>('a' + i)));
    const fs::path block = fs::path("/sys/block") / name;
    std::error_code error;
    if (!fs::exists(block, error))
      return absl::NotFoundError(absl::StrCat("disk ", i, " (", name, ") is not there"));
    std::map<int, std::string> partitions;
    for (const auto& entry : fs::directory_iterator(block, error)) {
      const int number = static_cast<int>(ReadNumber(entry.path() / "partition"));
      if (number > 0) partitions[number] = entry.path().filename().string();
    }
    for (const auto& [number, partition] : partitions) {
      ASSIGN_OR_RETURN(Volume volume,
                       Probe("/dev/" + partition, PartitionName(source_disks[i], number),
                             ReadNumber(block / partition / "size") * 512));
      volumes.push_back(std::move(volume));
    }
    if (partitions.empty()) {
      ASSIGN_OR_RETURN(Volume volume,
                       Probe("/dev/" + name, source_disks[i], ReadNumber(block / "size") * 512));
      volumes.push_back(std::move(volume));
    }
  }
  return volumes;
}

absl::StatusOr<int> RunTool(const std::vector<std::string>& command) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ);
  if (failed != 0) {
    errno = failed;
    return ErrnoStatus(command[0]);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

absl::Status CheckVolume(const Volume& volume) {
  if (volume.type != "ext4") return absl::OkStatus();
  ASSIGN_OR_RETURN(const int code, RunTool({"e2fsck", "-p", volume.device}));
  // 1: corrected, 2: corrected and wants a reboot; from 4 on errors are left.
  if (code < 4) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the file system on ", volume.source_device,
                   " has errors that e2fsck does not repair by itself (", code,
                   "): repair it on the source, then take a new point"));
}

absl::Status MountVolume(const Volume& volume, const std::string& where, bool read_only) {
  RETURN_IF_ERROR(MakeDirs(where));
  const bool xfs = volume.type == "xfs";
  const char* const options = volume.type == "vfat" ? ""
                              : read_only           ? (xfs ? "nouuid,norecovery" : "noload")
                                                    : (xfs ? "nouuid" : "");
  if (mount(volume.device.c_str(), where.c_str(), volume.type.c_str(),
            MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | (read_only ? MS_RDONLY : 0),
            options) != 0) {
    return ErrnoStatus(absl::StrCat("mounting ", volume.source_device, " (", volume.type, ")"));
  }
  return absl::OkStatus();
}

absl::Status Unmount(const std::string& where) {
  return umount2(where.c_str(), UMOUNT_NOFOLLOW) == 0 ? absl::OkStatus()
                                                      : ErrnoStatus("unmounting " + where);
}

}  // namespace godwit::convert
