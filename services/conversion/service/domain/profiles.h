// Target profiles: the kinds of machine a converted image can be launched on. Data, not code: one
// JSON file each (docs/profiles.md).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::conversion {

inline constexpr char kDefaultProfile[] = "kvm-virtio";

struct Profile {
  std::string name, description;
  std::vector<std::string> aliases;
  std::string disk_bus, nic_model, hypervisor, notes;
  std::vector<std::string> firmware;  // "bios", "uefi"; the preferred one first
  std::vector<std::string> linux_modules, windows_services, kernel_arguments;
  std::string source;  // the file
};

// `source` names the file in errors. INVALID_ARGUMENT: "<file>: <field>: what is wrong".
absl::StatusOr<Profile> ParseProfile(const std::string& text, const std::string& source);

// Thread-safe once it is filled.
class Profiles {
 public:
  // ALREADY_EXISTS: another profile has the name or one of the aliases; names both files.
  absl::Status Add(Profile profile);
  // nullptr for unknown names. The empty name is the default profile.
  const Profile* Find(absl::string_view name) const;
  // Sorted by name.
  const std::vector<Profile>& all() const { return profiles_; }

 private:
  std::vector<Profile> profiles_;
};

}  // namespace godwit::conversion
