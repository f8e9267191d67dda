#include "services/conversion/converter/windows/rights.h"

#include <set>
#include <vector>

#include "absl/base/internal/endian.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/first_boot.h"
#include "services/conversion/converter/windows/inject.h"
#include "services/conversion/converter/windows/names.h"

namespace godwit::convert::windows {
namespace {

constexpr char kRights[] = "system.ntfs_acl";
constexpr std::uint32_t kEverything = 0x1f01ff, kReadAndRun = 0x1200a9;

std::string U16(std::uint16_t number) {
  std::string bytes(2, '\0');
  absl::little_endian::Store16(bytes.data(), number);
  return bytes;
}
std::string U32(std::uint32_t number) {
  std::string bytes(4, '\0');
  absl::little_endian::Store32(bytes.data(), number);
  return bytes;
}

// S-1-5-...
std::string Sid(const std::vector<std::uint32_t>& numbers) {
  std::string sid("\x01\x00\x00\x00\x00\x00\x00\x05", 8);
  sid[1] = static_cast<char>(numbers.size());
  for (const std::uint32_t number : numbers) sid += U32(number);
  return sid;
}

// Allows; files and folders below inherit it.
std::string Allow(const std::string& sid, std::uint32_t rights) {
  return std::string("\x00\x03", 2) + U16(static_cast<std::uint16_t>(8 + sid.size())) +
         U32(rights) + sid;
}

}  // namespace

std::string AdministratorsOnly(bool readable) {
  constexpr std::uint16_t kSelfRelativeProtectedList = 0x9004;
  constexpr std::uint32_t kHeader = 20;
  const std::string system = Sid({18}), administrators = Sid({32, 544}), users = Sid({32, 545});
  std::string entries = Allow(system, kEverything) + Allow(administrators, kEverything);
  if (readable) entries += Allow(users, kReadAndRun);
  const auto group = static_cast<std::uint32_t>(kHeader + administrators.size());
  return U16(1) + U16(kSelfRelativeProtectedList) + U32(kHeader) + U32(group) + U32(0) +
         U32(static_cast<std::uint32_t>(group + system.size())) + administrators + system + U16(2) +
         U16(static_cast<std::uint16_t>(8 + entries.size())) + U16(readable ? 3 : 2) + U16(0) +
         entries;
}

absl::Status SetRights(const GuestRoot& root, const std::string& system_root,
                       bool made_drivers_folder) {
  const std::string scripts = PlaceFor(root, absl::StrCat(system_root, "/", kFirstBootFolder));
  const std::string drivers = PlaceFor(root, absl::StrCat(system_root, "/", kDriverFolder));
  const std::string above = drivers.substr(0, drivers.rfind('/'));
  std::set<std::string> made;
  for (const Change& change : root.changes()) {
    if (change.after_sha256.empty()) continue;
    const std::string before =
        change.before_sha256.empty() ? "" : root.Attribute(change.path + ".pre-migration", kRights);
    const bool script = absl::StartsWith(change.path, scripts + "/");
    RETURN_IF_ERROR(root.SetAttribute(change.path, kRights,
                                      before.empty() ? AdministratorsOnly(!script) : before));
    for (std::string folder = change.path; (script || absl::StartsWith(folder, drivers + "/")) &&
                                           folder != scripts && folder != drivers;) {
      folder.resize(folder.rfind('/'));
      made.insert(folder);
    }
  }
  if (made_drivers_folder && made.count(drivers) != 0) made.insert(above);
  for (const std::string& folder : made) {
    const bool script = absl::StartsWith(folder, scripts);
    RETURN_IF_ERROR(root.SetAttribute(folder, kRights, AdministratorsOnly(!script)));
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert::windows
