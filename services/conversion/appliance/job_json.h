// What the appliance is told to do.
#pragma once

#include <vector>

#include <string>

#include "godwit/conversion/v1/conversion_service.pb.h"
#include "services/conversion/appliance/scripts_folder.h"

namespace godwit::conversion {

// job.json of a task; convert::ParseJob reads it.
std::string JobJson(const conversion::v1::ConversionTask& task, const std::vector<Script>& scripts);

}  // namespace godwit::conversion
