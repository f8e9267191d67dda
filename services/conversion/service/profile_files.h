// Reads the profiles that a service knows.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/service/domain/profiles.h"

namespace godwit::conversion {

// The folder of the profiles that come with Godwit: beside the programs of a build, or where a
// package puts it.
std::string DefaultProfileFolder();

// Every *.json of every folder, in order of name. INVALID_ARGUMENT and ALREADY_EXISTS name the file
// and its field; NOT_FOUND: a folder is not there, or the default profile is in none of them.
absl::StatusOr<Profiles> LoadProfiles(const std::vector<std::string>& folders);

}  // namespace godwit::conversion
