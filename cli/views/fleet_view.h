// Tokens and conversions as people read them.
#pragma once

#include <iosfwd>
#include <string>

#include "absl/time/time.h"
#include "godwit/conversion/v1/conversion_service.pb.h"
#include "godwit/registry/v1/enrollment_service.pb.h"

namespace godwit::cli {

// `enrollment`: "host:port" of the enrolment port, may be empty.
void PrintNewToken(const registry::v1::Token& token, const std::string& enrollment,
                   std::ostream& out);
void PrintTokens(const registry::v1::ListTokensResponse& list, absl::Time now, std::ostream& out);
void PrintTasks(const conversion::v1::ListTasksResponse& list, std::ostream& out);
void PrintTask(const conversion::v1::ConversionTask& task, std::ostream& out);
void PrintProfiles(const conversion::v1::ListProfilesResponse& list, std::ostream& out);

}  // namespace godwit::cli
