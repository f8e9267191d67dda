// Settings given as protobuf JSON.
#pragma once

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace godwit::cli {

// Replaces the top-level fields that the JSON object has in `settings` and gives their names (as in
// the .proto): what an update mask needs. INVALID_ARGUMENT says where the JSON is wrong.
absl::StatusOr<std::set<std::string>> MergeJson(absl::string_view json,
                                                google::protobuf::Message& settings);

// The same for a file, "-" being standard input. At most 1 MiB.
absl::StatusOr<std::set<std::string>> MergeJsonFile(const std::string& path,
                                                    google::protobuf::Message& settings);

}  // namespace godwit::cli
