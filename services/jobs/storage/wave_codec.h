// Options and checks of wave runs as the JSON kept in the database.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/jobs/domain/wave_run.h"

namespace godwit::jobs {

std::string OptionsToJson(const WaveOptions& options);
// INTERNAL when it is not what OptionsToJson wrote; what it lacks has its default.
absl::StatusOr<WaveOptions> OptionsFromJson(absl::string_view text);

std::string ChecksToJson(const std::vector<WaveCheck>& checks);
absl::StatusOr<std::vector<WaveCheck>> ChecksFromJson(absl::string_view text);

}  // namespace godwit::jobs
