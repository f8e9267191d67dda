// Fetches a page over plain HTTP: the metrics of a service.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace godwit::cli {

// The body of http://ENDPOINT/PATH, at most `most` bytes of it (then `*cut` is true). UNAVAILABLE:
// no answer within the time, or not with status 200.
absl::StatusOr<std::string> HttpGet(const std::string& endpoint, const std::string& path,
                                    std::size_t most, absl::Duration patience, bool* cut);

}  // namespace godwit::cli
