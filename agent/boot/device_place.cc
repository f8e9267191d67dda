#include "agent/boot/device_place.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"

namespace godwit::agent {
namespace {

std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, 64);
  std::uint64_t number = 0;
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &number))
    return std::nullopt;
  return number;
}

std::string FolderOf(const std::string& device) { return absl::StrCat("/sys/dev/block/", device); }

}  // namespace

std::optional<ByteRange> PlaceOf(const std::string& device, const std::string& disk) {
  const std::string folder = FolderOf(device);
  const std::optional<std::uint64_t> size = ReadNumber(folder + "/size");
  if (!size) return std::nullopt;
  if (device == disk) return ByteRange{0, *size * 512};
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(folder, error);
  if (error || !std::filesystem::exists(real / "partition", error)) return std::nullopt;
  const absl::StatusOr<std::string> parent = ReadFile((real.parent_path() / "dev").string(), 64);
  const std::optional<std::uint64_t> start = ReadNumber(folder + "/start");
  if (!parent.ok() || absl::StripAsciiWhitespace(*parent) != disk || !start) return std::nullopt;
  return ByteRange{*start * 512, (*start + *size) * 512};
}

std::string NameOf(dev_t device) { return absl::StrCat(major(device), ":", minor(device)); }

std::string PathOf(const std::string& device) {
  const std::string text = ReadFile(FolderOf(device) + "/uevent", 4096).value_or("");
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "DEVNAME=")) continue;
    const std::string path = absl::StrCat("/dev/", line.substr(8));
    struct stat info;
    if (stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode) && NameOf(info.st_rdev) == device)
      return path;
  }
  return "";
}

}  // namespace godwit::agent
