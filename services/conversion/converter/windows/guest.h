// A Windows guest: its file tree, its two hives, and what is known of it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/windows/hive.h"
#include "services/conversion/converter/windows/version.h"

namespace godwit::convert::windows {

struct Facts {
  Version version;
  std::string system_root;        // "Windows", as on disk
  std::string product_name;       // "Windows Server 2019 Standard"
  std::string edition;            // EditionID
  std::string installation_type;  // "Client", "Server", "Server Core"
  std::string computer_name;
  std::vector<std::string> control_sets;  // those that the next boot may use, the current one first
  std::string boot_mode;                  // "BIOS" or "UEFI"; "" unknown
  std::string activation;                 // "volume", "OEM", "retail"; "" unknown
  std::vector<std::string> hypervisor_tools;     // programs and drivers of hypervisors, sorted
  std::vector<std::string> paravirtual_drivers;  // of the targets that are there already, sorted
  std::vector<std::string> page_files;
};

struct Guest {
  GuestRoot* root;
  std::string system_path, software_path;  // of the hives in the tree
  Hive system, software;
  Facts facts;
};

// True when a folder with Windows' hives is there.
bool LooksLikeWindows(const GuestRoot& root);

// Opens both hives and reads the facts. FAILED_PRECONDITION: a hive is not whole (see
// regf_header.h), unless `allow_unclean`. NOT_FOUND: no hives. INVALID_ARGUMENT: damaged.
absl::StatusOr<Guest> OpenGuest(GuestRoot* root, bool allow_unclean);

// Of a PE program's header; "" when it is none.
std::string ArchitectureOfProgram(absl::string_view head);

}  // namespace godwit::convert::windows
