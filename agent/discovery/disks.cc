#include "agent/discovery/disks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"

namespace godwit::agent {
namespace fs = std::filesystem;
namespace {

std::string ReadLine(const fs::path& path) {
  const absl::StatusOr<std::string> text = ReadFile(path.string(), 4096);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

std::uint64_t ReadNumber(const fs::path& path) {
  std::uint64_t value = 0;
  return absl::SimpleAtoi(ReadLine(path), &value) ? value : 0;
}

// Of the partition table: the MBR signature or the GPT's GUID. "" when there is none or it cannot
// be read.
std::string PartitionTableId(const std::string& device) {
  const Fd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  unsigned char sectors[1024];
  if (!fd.valid() || pread(fd.get(), sectors, sizeof sectors, 0) != sizeof sectors) return "";
  const auto hex = [&](std::size_t at, std::size_t size) {
    return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(sectors) + at, size));
  };
  if (absl::string_view(reinterpret_cast<char*>(sectors) + 512, 8) == "EFI PART")
    return "gpt-" + hex(512 + 56, 16);
  if (sectors[510] == 0x55 && sectors[511] == 0xaa && hex(440, 4) != "00000000")
    return "mbr-" + hex(440, 4);
  return "";
}

// "" when it has none.
std::string SerialOf(const fs::path& block) {
  for (const char* file :
       {"wwid", "device/wwid", "device/serial", "serial", "dm/uuid", "md/uuid"}) {
    const std::string value = ReadLine(block / file);
    // Some virtual disks all have the same empty answer.
    if (value.size() >= 4) {
      // Runs of spaces pad vendor fields.
      const std::vector<std::string> words = absl::StrSplit(value, ' ', absl::SkipEmpty());
      return words.empty() ? value : absl::StrJoin(words, " ");
    }
  }
  return "";
}

// The device itself, its partitions, and whatever holds one of them.
void AddDevices(const fs::path& block, std::vector<std::string>* devices, int depth) {
  const std::string device = ReadLine(block / "dev");
  if (!device.empty() && std::find(devices->begin(), devices->end(), device) == devices->end()) {
    devices->push_back(device);
  }
  std::error_code error;
  if (depth > 8) return;
  for (const auto& entry : fs::directory_iterator(block, error)) {
    if (fs::exists(entry.path() / "partition", error)) AddDevices(entry.path(), devices, depth + 1);
  }
  for (const auto& entry : fs::directory_iterator(block / "holders", error)) {
    AddDevices(fs::canonical(entry.path(), error), devices, depth + 1);
  }
}

std::string RootDevice(const std::string& mountinfo) {
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    if (fields.size() > 5 && fields[4] == "/") return std::string(fields[2]);
  }
  return "";
}

bool Skipped(absl::string_view name) {
  for (const absl::string_view kind : {"sr", "fd"}) {
    if (absl::StartsWith(name, kind)) return true;
  }
  // eMMC boot and protected partitions; further paths of NVMe multipath disks.
  return absl::StrContains(name, "boot") || absl::StrContains(name, "rpmb") ||
         (absl::StartsWith(name, "nvme") && absl::StrContains(name.substr(4), "c"));
}

}  // namespace

bool OnlyWhenNamed(absl::string_view name) {
  name.remove_prefix(name.rfind('/') + 1);  // of npos: nothing
  for (const absl::string_view kind : {"loop", "ram", "zram", "dm-", "md", "nbd", "rbd", "drbd"}) {
    if (absl::StartsWith(name, kind)) return true;
  }
  return false;
}

absl::StatusOr<std::vector<FoundDisk>> FindDisks(const std::string& sys,
                                                 const std::string& mountinfo,
                                                 const std::string& dev,
                                                 const std::vector<std::string>& named) {
  const auto is_named = [&](const std::string& name) {
    return std::find(named.begin(), named.end(), name) != named.end();
  };
  const std::string root = RootDevice(mountinfo);
  std::vector<FoundDisk> disks;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(sys) / "block", error)) {
    const std::string name = entry.path().filename().string();
    if (Skipped(name) || (OnlyWhenNamed(name) && named.empty())) continue;
    const fs::path block = entry.path();
    FoundDisk disk{.name = name, .device_name = name};
    std::replace(disk.device_name.begin(), disk.device_name.end(), '!', '/');
    disk.device_name = dev + "/" + disk.device_name;
    disk.size_bytes = ReadNumber(block / "size") * 512;
    if (disk.size_bytes == 0 || ReadNumber(block / "hidden") != 0) continue;
    disk.read_only = ReadNumber(block / "ro") != 0;
    disk.logical_block_size = static_cast<int>(ReadNumber(block / "queue/logical_block_size"));
    const std::vector<std::string> numbers = absl::StrSplit(ReadLine(block / "dev"), ':');
    if (numbers.size() != 2 || !absl::SimpleAtoi(numbers[0], &disk.major) ||
        !absl::SimpleAtoi(numbers[1], &disk.minor)) {
      continue;
    }
    disk.model = ReadLine(block / "device/model");
    disk.identity = SerialOf(block);
    disk.weak_identity = disk.identity.empty();
    if (disk.weak_identity) disk.identity = PartitionTableId(disk.device_name);
    if (disk.identity.empty()) disk.identity = name;
    if (OnlyWhenNamed(name) && !is_named(name) && !is_named(disk.device_name) &&
        !is_named(disk.identity)) {
      continue;
    }
    disk.sequence = ReadLine(block / "diskseq");
    AddDevices(block, &disk.devices, 0);
    disk.is_boot_disk =
        std::find(disk.devices.begin(), disk.devices.end(), root) != disk.devices.end();
    disks.push_back(std::move(disk));
  }
  if (error) return absl::NotFoundError(absl::StrCat(sys, "/block: ", error.message()));
  std::sort(disks.begin(), disks.end(), [](const FoundDisk& a, const FoundDisk& b) {
    if (a.is_boot_disk != b.is_boot_disk) return a.is_boot_disk;
    return a.name.size() != b.name.size() ? a.name.size() < b.name.size() : a.name < b.name;
  });
  return disks;
}

std::map<std::string, std::string> DiskFingerprints(const std::string& sys, bool all) {
  std::map<std::string, std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(sys) / "block", error)) {
    const std::string name = entry.path().filename().string();
    if (Skipped(name) || (OnlyWhenNamed(name) && !all)) continue;
    const fs::path block = entry.path();
    out[name] = absl::StrCat(ReadLine(block / "dev"), " ", ReadLine(block / "size"), " ",
                             ReadLine(block / "ro"), " ", ReadLine(block / "diskseq"));
  }
  return out;
}

std::string DiskId(const std::string& seed, const FoundDisk& disk) {
  return DerivedId("d-", absl::StrCat(seed, "/", disk.identity));
}

}  // namespace godwit::agent
