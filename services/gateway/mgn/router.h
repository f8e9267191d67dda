// Which operation a method and a path name. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

struct Route {
  const Operation* operation = nullptr;
  std::map<std::string, std::string> uri;  // members of the path, decoded
};

// The path as received: nothing is normalised, so /StartTest/ and //StartTest name nothing.
std::optional<Route> FindRoute(absl::string_view method, absl::string_view path);

}  // namespace godwit::gateway::mgn
