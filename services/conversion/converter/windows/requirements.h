// What a Windows needs on the machine it will run on.
#pragma once

#include <string>
#include <vector>

#include "services/conversion/converter/windows/options.h"

namespace godwit::convert::windows {

struct Requirements {
  std::vector<std::string> disk_services;  // one of them must start at boot; none: not known
  std::vector<std::string> nic_services;   // one of them should be there; none: in every Windows
  std::string disk_words, nic_words;       // for people
};

// By what the profile says of the machine: which drivers Windows has for a bus or a card is known
// here, and a service that the profile names and that is none of them is one more driver of its
// disks. Knows no profile by its name.
Requirements RequirementsOf(const Options& options);

}  // namespace godwit::convert::windows
