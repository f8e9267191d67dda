// What the appliance is told to do.
#pragma once

#include <string>

#include "godwit/conversion/v1/conversion_service.pb.h"

namespace godwit::conversion {

// job.json of a task; convert::ParseJob reads it.
std::string JobJson(const conversion::v1::ConversionTask& task);

}  // namespace godwit::conversion
