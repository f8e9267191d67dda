// Checks a request against the table of its operation. Pure; thread-safe.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/errors.h"
#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

// A request as it came, texts decoded.
struct RawInput {
  absl::string_view body;
  std::map<std::string, std::string> uri;                  // {member} of the path
  std::vector<std::pair<std::string, std::string>> query;  // in order
};

// The operation's input: one object with the known members that are set (null counts as unset, as
// with AWS). Members that the operation does not know are left out silently: services of AWS ignore
// them, so newer clients work.
//
// Everything that is wrong is told at once, at most 32 fields. A text may not hold NUL (the
// database cannot keep it), whatever the pattern allows.
std::variant<nlohmann::json, ApiError> Validate(const Operation& operation, const RawInput& input);

// What is wrong with `value` as `shape`, members that the shape does not have included. For
// answers: the tests look whether what the gateway says is what clients expect.
std::vector<FieldFault> Faults(const Shape& shape, const nlohmann::json& value);

}  // namespace godwit::gateway::mgn
