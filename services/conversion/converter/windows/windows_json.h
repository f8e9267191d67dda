// Parts of a conversion's outcome that only Windows has, in the JSON form of the proto.
#pragma once

#include <nlohmann/json.hpp>

#include "services/conversion/converter/windows/inspection.h"
#include "services/conversion/converter/windows/registry_edit.h"

namespace godwit::convert::windows {

nlohmann::json ToJson(const WindowsInspection& inspection);
nlohmann::json ToJson(const RegistryEdit& edit);

}  // namespace godwit::convert::windows
