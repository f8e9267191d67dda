#include "services/gateway/mgn/router.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "services/gateway/http/percent.h"
#include "services/gateway/mgn/model/tables.h"

namespace godwit::gateway::mgn {
namespace {

std::optional<Route> Match(const Operation& operation, absl::string_view path) {
  const std::size_t open = operation.uri.find('{');
  if (open == absl::string_view::npos) {
    if (path != operation.uri) return std::nullopt;
    return Route{.operation = &operation};
  }
  // "/tags/{resourceArn}": the member is the last segment.
  if (!absl::ConsumePrefix(&path, operation.uri.substr(0, open)) || path.empty() ||
      absl::StrContains(path, '/')) {
    return std::nullopt;
  }
  const std::optional<std::string> value = PercentDecode(path);
  if (!value) return std::nullopt;
  const std::string name(operation.uri.substr(open + 1, operation.uri.size() - open - 2));
  return Route{.operation = &operation, .uri = {{name, *value}}};
}

}  // namespace

std::optional<Route> FindRoute(absl::string_view method, absl::string_view path) {
  for (const Operation* operation : AllOperations()) {
    if (operation->method != method) continue;
    if (std::optional<Route> route = Match(*operation, path)) return route;
  }
  return std::nullopt;
}

}  // namespace godwit::gateway::mgn
