// JSON from strangers. Pure; no state.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace godwit::gateway::mgn {

struct JsonLimits {
  int depth = 32;
  std::size_t values = 100'000;
};

// The document in `text`. INVALID_ARGUMENT: it is no JSON (RFC 8259), is not UTF-8, has half a
// surrogate pair, a number that fits no type, the same key twice in one object, or exceeds a limit.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, const JsonLimits& limits = {});

}  // namespace godwit::gateway::mgn
