// Where a watch of one job or wave run goes on: its etag is the number of its version, which grows
// with every change.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace godwit::jobs {

inline constexpr std::int64_t kNothingSeen = -1;

// kNothingSeen when it is empty. INVALID_ARGUMENT: no etag of a message.
absl::StatusOr<std::int64_t> ReadSince(const std::string& since);
// OUT_OF_RANGE: what the caller saw of `name` is not there, or not yet again.
absl::Status CheckSince(const std::string& name, std::int64_t since, std::int64_t version);

}  // namespace godwit::jobs
