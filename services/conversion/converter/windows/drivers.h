// The operator's folder of drivers: which of them a guest gets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/windows/inf.h"

namespace godwit::convert::windows {

struct DriverPackage {
  std::string name;      // of its service, else of its .inf file; lower case
  std::string inf_name;  // "viostor.inf"
  std::string folder;    // below the folder of drivers
  DriverInf inf;
  std::map<std::string, std::string> files;  // content by name, the .inf and what it names
};

struct DriverChoice {
  std::vector<DriverPackage> packages;  // by name
  std::vector<std::string> skipped;     // "path: why", of files that are no drivers
  int other_count = 0;                  // .inf files for other versions of Windows
};

// Looks through `supplies` (at most 8 folders deep, 5000 .inf files), takes the best package of
// each name for `version`: by the words in its path (FolderWords, the architecture), then by its
// own version. RESOURCE_EXHAUSTED when the chosen ones are larger than 64 MiB together.
absl::StatusOr<DriverChoice> ChooseDrivers(const GuestRoot& supplies, const Version& version);

// How well a path's words fit, 0 the best; nullopt when they name another version or architecture.
std::optional<int> RankPath(const std::string& folder, const Version& version);

}  // namespace godwit::convert::windows
