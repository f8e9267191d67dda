// What a preflight found, as people read it.
#pragma once

#include <iosfwd>
#include <string>

#include "godwit/conversion/v1/conversion_service.pb.h"

namespace godwit::cli {

// Verdicts of all profiles and what stands behind them. `server`: how the user names it; `point`:
// what was looked at, empty for what arrived before the first.
void PrintPreflight(const conversion::v1::ConversionTask& task, const std::string& server,
                    const std::string& point, std::ostream& out);

// Why the copy will not boot on the profile that was asked for; "" when nothing is in the way.
std::string PreflightFailure(const conversion::v1::ConversionTask& task);

}  // namespace godwit::cli
