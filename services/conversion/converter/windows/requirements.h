// What a Windows needs on the machine it will run on.
#pragma once

#include <string>
#include <vector>

#include "services/conversion/converter/windows/guest.h"

namespace godwit::convert::windows {

struct Requirements {
  std::vector<std::string> disk_services;  // one of them must start at boot; none: not known
  std::vector<std::string> nic_services;   // one of them should be there; none: in every Windows
  std::string vendor;                      // whose tools stay, see old_platform.h; "" nobody's
  std::string disk_words, nic_words;       // for people
};

// By the profile's name; without requirements for one that is not known.
Requirements RequirementsOf(const std::string& profile);

}  // namespace godwit::convert::windows
