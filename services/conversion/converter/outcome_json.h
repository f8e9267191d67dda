// What a conversion says at its end.
#pragma once

#include <nlohmann/json.hpp>

#include "services/conversion/converter/convert.h"

namespace godwit::convert {

// In the JSON form of ConversionTask's output fields.
nlohmann::json ToJson(const Outcome& outcome);

}  // namespace godwit::convert
