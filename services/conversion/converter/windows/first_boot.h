// What a converted Windows does by itself at its first boot, before anybody logs on: install the
// drivers properly, bring disks online, set addresses, run the operator's scripts, remove itself.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "services/conversion/converter/windows/guest.h"

namespace godwit::convert::windows {

// Below the system root. Steps lie in "steps" until they are run, in "run" from then on, beside
// "firstboot.log".
inline constexpr char kFirstBootFolder[] = "Godwit";
inline constexpr char kFirstBootService[] = "GodwitFirstBoot";

// Files by name. Those that can be run (.cmd .bat .ps1 .exe) are, in the order of their names, the
// rest is laid beside them. A service helper (srvany.exe, rhsrvany.exe, nssm.exe) is not a script.
struct Scripts {
  std::map<std::string, std::string> files;
  std::string helper_name, helper;  // "" without one
};

// Of a folder, at most 100 files and 64 MiB; folders in it are left out. INVALID_ARGUMENT: a name
// with other characters than letters, digits, '.', '_' and '-'.
absl::StatusOr<Scripts> ReadScripts(const GuestRoot& supplies);

// `network_script`: may be empty. `install_drivers`: there are packages in the guest.
absl::Status AddFirstBoot(Guest& guest, const Scripts& scripts, const std::string& network_script,
                          bool install_drivers);

}  // namespace godwit::convert::windows
