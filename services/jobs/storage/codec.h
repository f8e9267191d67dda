// Values of runs as the JSON kept in the database. Text is made fit for PostgreSQL: valid UTF-8
// without NUL.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/jobs/domain/job.h"

namespace godwit::jobs {

// `text` cut to `most` bytes, with NUL and what is not UTF-8 replaced by '?'.
std::string Clean(absl::string_view text, std::size_t most = 64 << 10);

std::string InputToJson(const RunInput& input);
// INTERNAL names the field that is missing or of the wrong type.
absl::StatusOr<RunInput> InputFromJson(absl::string_view text);

std::string MapToJson(const std::map<std::string, std::string>& map);
absl::StatusOr<std::map<std::string, std::string>> MapFromJson(absl::string_view text);

std::string ListToJson(const std::vector<std::string>& list);
absl::StatusOr<std::vector<std::string>> ListFromJson(absl::string_view text);

}  // namespace godwit::jobs
