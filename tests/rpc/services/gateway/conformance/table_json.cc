#include "tests/rpc/services/gateway/conformance/table_json.h"

#include <string>
#include <utility>

#include "services/gateway/mgn/model/tables.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

const char* KindName(Kind kind) {
  switch (kind) {
    case Kind::kStructure:
      return "structure";
    case Kind::kList:
      return "list";
    case Kind::kMap:
      return "map";
    case Kind::kString:
      return "string";
    case Kind::kEnum:
      return "enum";
    case Kind::kInteger:
      return "integer";
    case Kind::kBoolean:
      return "boolean";
    case Kind::kFloat:
      return "float";
    case Kind::kEpochTime:
      return "timestamp";
  }
  return "";
}

json ShapeJson(const Shape& shape);

json MembersJson(std::span<const Member> members) {
  json out = json::array();
  for (const Member& member : members) {
    const char* place = (member.flags & kInUri) != 0     ? "uri"
                        : (member.flags & kInQuery) != 0 ? "query"
                                                         : "body";
    out.push_back({{"name", std::string(member.name)},
                   {"required", (member.flags & kRequired) != 0},
                   {"place", place},
                   {"newer", (member.flags & kNewer) != 0},
                   {"shape", ShapeJson(*member.shape)}});
  }
  return out;
}

json ShapeJson(const Shape& shape) {
  json out = {{"kind", KindName(shape.kind)}};
  if (shape.least != kNone) out["least"] = shape.least;
  if (shape.most != kNone) out["most"] = shape.most;
  if (shape.pattern != nullptr) out["pattern"] = shape.pattern;
  for (const absl::string_view value : shape.values) out["values"].push_back(std::string(value));
  if (shape.kind == Kind::kStructure) out["members"] = MembersJson(shape.Members());
  if (shape.element != nullptr) out["element"] = ShapeJson(*shape.element);
  if (shape.key != nullptr) out["key"] = ShapeJson(*shape.key);
  return out;
}

json ErrorsJson(std::uint32_t bits) {
  constexpr std::pair<std::uint32_t, const char*> kNames[] = {
      {kUninitialized, "UninitializedAccountException"},
      {kNotFound, "ResourceNotFoundException"},
      {kValidation, "ValidationException"},
      {kConflict, "ConflictException"},
      {kQuota, "ServiceQuotaExceededException"},
      {kDenied, "AccessDeniedException"},
      {kThrottling, "ThrottlingException"},
      {kInternal, "InternalServerException"}};
  json out = json::array();
  for (const auto& [bit, name] : kNames) {
    if ((bits & bit) != 0) out.push_back(name);
  }
  return out;
}

}  // namespace

json TableJson() {
  json operations = json::array();
  for (const Operation* operation : AllOperations()) {
    operations.push_back(
        {{"name", std::string(operation->name)},
         {"method", std::string(operation->method)},
         {"uri", std::string(operation->uri)},
         {"success", operation->success},
         {"model", operation->model},
         {"errors", ErrorsJson(operation->errors)},
         {"input", MembersJson(operation->input)},
         {"output", operation->output == nullptr ? json() : ShapeJson(*operation->output)}});
  }
  return {{"operations", operations}};
}

}  // namespace godwit::gateway::mgn
