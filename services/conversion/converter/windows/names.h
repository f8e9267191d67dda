// Windows finds files in any case of their names; the guest's file system keeps the case.
#pragma once

#include <optional>
#include <string>

#include "services/conversion/converter/guest_root.h"

namespace godwit::convert::windows {

// The path as it is on disk for "Windows/System32/config/SYSTEM" in any case of ASCII letters;
// nullopt when it is not there. At most 32 folders deep.
std::optional<std::string> FindPath(const GuestRoot& root, const std::string& path);

// As FindPath; names that are not there yet are taken as they are given.
std::string PlaceFor(const GuestRoot& root, const std::string& path);

}  // namespace godwit::convert::windows
