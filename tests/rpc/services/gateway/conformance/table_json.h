// The gateway's table of the MGN API as JSON, for scripts.
#pragma once

#include "nlohmann/json.hpp"

namespace godwit::gateway::mgn {

// {"operations": [{"name", "method", "uri", "success", "model", "errors": [name], "input":
// [member], "output": shape or null}]}; a member: {"name", "required", "place": "body", "uri" or
// "query", "newer", "shape"}; a shape: {"kind"} and what it has of "least", "most", "pattern",
// "values", "members", "element", "key".
nlohmann::json TableJson();

}  // namespace godwit::gateway::mgn
