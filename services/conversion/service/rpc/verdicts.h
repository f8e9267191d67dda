// What an inspected guest would do on each target profile.
#pragma once

#include "godwit/conversion/v1/conversion_service.pb.h"
#include "services/conversion/service/domain/profiles.h"

namespace godwit::conversion {

// Fills task.verdicts when the guest was inspected, from its findings and its default kernel.
void SetVerdicts(const Profiles& profiles, v1::ConversionTask* task);

}  // namespace godwit::conversion
