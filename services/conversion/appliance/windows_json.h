// What a job says about Windows guests.
#pragma once

#include <nlohmann/json.hpp>

#include "godwit/conversion/v1/conversion_service.pb.h"

namespace godwit::conversion {

// "windows" in job.json; convert::windows::ParseOptions reads it.
nlohmann::json WindowsJson(const conversion::v1::TargetDescription& target);

}  // namespace godwit::conversion
