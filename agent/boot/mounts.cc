#include "agent/boot/mounts.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace godwit::agent {
namespace {

// Octal escapes of mountinfo: \040 and the like.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace

std::vector<Mount> MountsOf(const std::string& mountinfo, const std::vector<std::string>& devices) {
  std::vector<Mount> found;
  std::set<std::string> seen;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    // 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext4 /dev/sda1 rw
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 7 || fields.end() - dash < 4) continue;
    const std::string device(fields[2]);
    if (std::find(devices.begin(), devices.end(), device) == devices.end()) continue;
    if (!seen.insert(device).second) continue;
    found.push_back({.device = device,
                     .mount_point = Unescape(fields[4]),
                     .type = std::string(dash[1]),
                     .read_only = dash[3] == "ro" || absl::StartsWith(dash[3], "ro,")});
  }
  return found;
}

}  // namespace godwit::agent
