#include "services/conversion/converter/volumes.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/new_partition.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace fs = std::filesystem;
namespace {

// Options of ext file systems that keep the kernel from work of its own.
constexpr char kQuietExt[] = "noinit_itable,no_prefetch_block_bitmaps,nodelalloc";

std::int64_t ReadNumber(const fs::path& path) {
  const absl::StatusOr<std::string> text = ReadFile(path.string(), 64);
  std::int64_t value = 0;
  return text.ok() && absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &value) ? value : 0;
}

absl::StatusOr<std::string> ReadAt(int fd, std::uint64_t offset, std::size_t size,
                                   const std::string& device) {
  std::string bytes(size, '\0');
  const ssize_t got = pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (got < 0) return ErrnoStatus(device);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

absl::Status Damaged(const Volume& volume, const std::string& checker, int code) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the file system on ", volume.source_device, " has errors that ", checker,
      " does not repair by itself (", code, "): repair it on the source, then take a new point"));
}

// The checker ran and found errors. One that was killed (memory) or took too long says nothing.
bool Found(const absl::StatusOr<int>& code) { return code.ok() && *code != 0 && *code < 128; }

// "\040" as /proc/self/mountinfo writes a blank.
std::string Unescape(absl::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    for (int digit = 1; digit <= 3 && text[i] == '\\' && i + 3 < text.size(); ++digit)
      code = code * 8 + (text[i + static_cast<std::size_t>(digit)] - '0');
    plain.push_back(code != 0 ? static_cast<char>(code) : text[i]);
    if (code != 0) i += 3;
  }
  return plain;
}

}  // namespace

std::string PartitionName(const std::string& disk, int number) {
  const bool digit = !disk.empty() && absl::ascii_isdigit(static_cast<unsigned char>(disk.back()));
  return absl::StrCat(disk, digit ? "p" : "", number);
}

absl::Status Probe(Volume* volume) {
  const Fd fd(open(volume->device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(volume->device);
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return ErrnoStatus(volume->device);
  const auto bytes = static_cast<std::uint64_t>(size);
  ASSIGN_OR_RETURN(const std::string head, ReadAt(fd.get(), 0, 131072, volume->device));
  std::string tail;
  if (bytes >= kTailBytes) {
    ASSIGN_OR_RETURN(tail, ReadAt(fd.get(), bytes - kTailBytes, kTailBytes, volume->device));
  }
  const Superblock super = ParseSuperblock(head, tail, bytes);
  volume->size_bytes = size;
  volume->type = super.type;
  volume->uuid = super.uuid;
  volume->label = super.label;
  volume->device_count = super.device_count;
  volume->level = super.level;
  volume->minor = super.minor;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Volume>> VolumesOfDisk(const std::string& name, const Volume& like,
                                                  std::size_t max_volumes) {
  const fs::path block = fs::path("/sys/block") / name;
  std::error_code error;
  std::map<int, std::string> numbers;
  for (const auto& entry : fs::directory_iterator(block, error)) {
    const int number = static_cast<int>(ReadNumber(entry.path() / "partition"));
    if (number > 0) numbers[number] = entry.path().filename().string();
  }
  if (error) return absl::NotFoundError(absl::StrCat("the disk ", name, " is not there"));
  Volume disk = like;
  disk.device = "/dev/" + name;
  if (numbers.empty()) {
    RETURN_IF_ERROR(Probe(&disk));
    return std::vector<Volume>{disk};
  }
  ASSIGN_OR_RETURN(PartitionTable table, ReadPartitionTable(disk.device, nullptr));
  std::vector<Volume> volumes;
  for (const auto& [number, partition] : numbers) {
    if (volumes.size() >= max_volumes) break;
    Volume volume = disk;
    volume.device = "/dev/" + partition;
    volume.kind = "partition";
    volume.source_device = PartitionName(disk.source_device, number);
    for (std::string& other : volume.source_names) other = PartitionName(other, number);
    volume.partition = number;
    const PartitionId& id = table.ids[number];
    volume.part_uuid = id.uuid;
    volume.part_label = id.label;
    volume.part_type = id.type;
    // An extended partition is two sectors long; there is nothing on it.
    if (const absl::Status status = Probe(&volume); !status.ok()) volume.damage = status.ToString();
    volumes.push_back(std::move(volume));
  }
  return volumes;
}

absl::Status CheckBefore(const Volume& volume) {
  if (IsExt(volume.type)) {
    ASSIGN_OR_RETURN(const int code, RunTool({"e2fsck", "-p", volume.device}));
    // 1: corrected, 2: corrected and wants a reboot; from 4 on errors are left.
    return code < 4 ? absl::OkStatus() : Damaged(volume, "e2fsck", code);
  }
  if (volume.type == "vfat") {
    ASSIGN_OR_RETURN(const int code, RunTool({"fsck.fat", "-a", volume.device}));
    return code < 2 ? absl::OkStatus() : Damaged(volume, "fsck.fat", code);
  }
  return absl::OkStatus();
}

absl::Status CheckAfter(const Volume& volume) {
  if (IsExt(volume.type)) return CheckBefore(volume);
  const auto check = [&](const std::string& name, std::vector<std::string> command) {
    command.push_back(volume.device);
    const absl::StatusOr<int> code = RunTool(command);
    return Found(code) ? Damaged(volume, name, *code) : absl::OkStatus();
  };
  if (volume.type == "xfs") return check("xfs_repair", {"xfs_repair", "-n"});
  if (volume.type == "btrfs") return check("btrfs check", {"btrfs", "check", "--readonly"});
  if (volume.type == "vfat") return check("fsck.fat", {"fsck.fat", "-n"});
  return absl::OkStatus();
}

absl::Status MountVolume(const Volume& volume, const std::string& where, bool read_only,
                         const std::string& subvolume) {
  if (absl::StrContains(subvolume, ','))
    return absl::InvalidArgumentError("a comma in " + subvolume);
  RETURN_IF_ERROR(MakeDirs(where));
  std::string options;
  const char* type = volume.type.c_str();
  if (IsExt(volume.type)) {
    type = "ext4";  // its driver mounts all three
    // Nothing but what we do decides when the journal is written, what is written at all, which
    // groups the allocator knows already (a thread would load their bitmaps when it finds the
    // time), and which of two files gets the first place: a write takes its blocks at once, as
    // the order in which data is written back follows from the clock.
    options = read_only ? "noload" : absl::StrCat("commit=3600,", kQuietExt);
  } else if (volume.type == "xfs") {
    options = read_only ? "nouuid,norecovery" : "nouuid";
  } else if (volume.type == "btrfs") {
    options = absl::StrCat(read_only ? "rescue=nologreplay" : "",
                           read_only && !subvolume.empty() ? "," : "",
                           subvolume.empty() ? "" : "subvol=", subvolume);
  } else if (volume.type == "vfat") {
    // It keeps no owners and modes: setting them is no error.
    options = "quiet,utf8,shortname=mixed";
  }
  const auto attempt = [&](const std::string& with) {
    return mount(volume.device.c_str(), where.c_str(), type,
                 MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | (read_only ? MS_RDONLY : 0),
                 with.c_str()) == 0;
  };
  // One without a journal refuses to hear of it.
  const bool mounted = attempt(options) ||
                       (errno == EINVAL && IsExt(volume.type) && !read_only && attempt(kQuietExt));
  if (!mounted) {
    return ErrnoStatus(absl::StrCat("mounting ", volume.source_device, " (", volume.type, ")"));
  }
  return absl::OkStatus();
}

absl::Status Unmount(const std::string& where) {
  return umount2(where.c_str(), UMOUNT_NOFOLLOW) == 0 ? absl::OkStatus()
                                                      : ErrnoStatus("unmounting " + where);
}

absl::Status UnmountAll(const std::string& where) {
  ASSIGN_OR_RETURN(const std::string table, ReadFile("/proc/self/mountinfo", 1 << 20));
  std::vector<std::string> points;
  for (const absl::string_view line : absl::StrSplit(table, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() < 5) continue;
    std::string point = Unescape(words[4]);
    if (point == where || absl::StartsWith(point, where + "/")) points.push_back(std::move(point));
  }
  absl::Status status;
  for (auto point = points.rbegin(); point != points.rend(); ++point)
    status.Update(Unmount(*point));
  return status;
}

}  // namespace godwit::convert
