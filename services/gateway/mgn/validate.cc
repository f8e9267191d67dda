#include "services/gateway/mgn/validate.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/gateway/mgn/json_text.h"
#include "services/gateway/mgn/patterns.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

constexpr std::size_t kMostFaults = 32;

std::int64_t Characters(absl::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

const char* Word(Kind kind) {
  switch (kind) {
    case Kind::kStructure:
    case Kind::kMap:
      return "an object";
    case Kind::kList:
      return "a list";
    case Kind::kString:
    case Kind::kEnum:
      return "a string";
    case Kind::kInteger:
      return "an integer";
    case Kind::kBoolean:
      return "a boolean";
    case Kind::kFloat:
    case Kind::kEpochTime:
      return "a number";
  }
  return "another type";
}

class Walk {
 public:
  std::vector<FieldFault>& faults() { return faults_; }

  // `value` as `shape`, unknown members left out. What is wrong goes to faults().
  json Check(const Shape& shape, const json& value, const std::string& path) {
    switch (shape.kind) {
      case Kind::kStructure:
        return value.is_object() ? CheckStructure(shape.Members(), value, path)
                                 : Wrong(shape, path);
      case Kind::kList:
        return value.is_array() ? CheckList(shape, value, path) : Wrong(shape, path);
      case Kind::kMap:
        return value.is_object() ? CheckMap(shape, value, path) : Wrong(shape, path);
      case Kind::kString:
      case Kind::kEnum:
        if (!value.is_string()) return Wrong(shape, path);
        CheckText(shape, value.get_ref<const std::string&>(), path);
        return value;
      case Kind::kInteger:
        if (!value.is_number_integer()) return Wrong(shape, path);
        CheckInteger(shape, value, path);
        return value;
      case Kind::kBoolean:
        return value.is_boolean() ? value : Wrong(shape, path);
      case Kind::kFloat:
      case Kind::kEpochTime:
        return value.is_number() ? value : Wrong(shape, path);
    }
    return Wrong(shape, path);
  }

  json CheckStructure(std::span<const Member> members, const json& value,
                      const std::string& prefix) {
    json out = json::object();
    for (const Member& member : members) {
      const std::string name(member.name);
      const std::string path = prefix.empty() ? name : absl::StrCat(prefix, ".", name);
      const auto found = value.find(name);
      if (found == value.end() || found->is_null()) {
        if ((member.flags & kRequired) != 0) Fault(path, "is required");
        continue;
      }
      out[name] = Check(*member.shape, *found, path);
    }
    return out;
  }

 private:
  void Fault(const std::string& path, std::string message) {
    if (faults_.size() < kMostFaults) faults_.push_back({path, std::move(message)});
  }
  json Wrong(const Shape& shape, const std::string& path) {
    Fault(path, absl::StrCat("must be ", Word(shape.kind)));
    return json();
  }
  void CheckRange(const Shape& shape, std::int64_t size, const std::string& path,
                  absl::string_view what) {
    if (shape.least != kNone && size < shape.least) {
      Fault(path, absl::StrCat(what, " must be at least ", shape.least));
    } else if (shape.most != kNone && size > shape.most) {
      Fault(path, absl::StrCat(what, " must be at most ", shape.most));
    }
  }
  void CheckText(const Shape& shape, const std::string& text, const std::string& path) {
    if (shape.kind == Kind::kEnum) {
      if (std::find(shape.values.begin(), shape.values.end(), absl::string_view(text)) ==
          shape.values.end()) {
        Fault(path, absl::StrCat("must be one of ", absl::StrJoin(shape.values, ", ")));
      }
      return;
    }
    if (text.find('\0') != std::string::npos) return Fault(path, "must not contain NUL");
    const std::size_t before = faults_.size();
    CheckRange(shape, Characters(text), path, "length");
    if (shape.pattern == nullptr || faults_.size() != before) return;
    if (!FullMatch(shape.pattern, text)) {
      Fault(path, absl::StrCat("must match ", shape.pattern));
    }
  }
  void CheckInteger(const Shape& shape, const json& value, const std::string& path) {
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
      return Fault(path, "is too large");
    }
    CheckRange(shape, value.get<std::int64_t>(), path, "value");
  }
  json CheckList(const Shape& shape, const json& value, const std::string& path) {
    CheckRange(shape, static_cast<std::int64_t>(value.size()), path, "number of elements");
    json out = json::array();
    for (std::size_t i = 0; i < value.size() && faults_.size() < kMostFaults; ++i) {
      out.push_back(Check(*shape.element, value[i], absl::StrCat(path, "[", i, "]")));
    }
    return out;
  }
  json CheckMap(const Shape& shape, const json& value, const std::string& path) {
    CheckRange(shape, static_cast<std::int64_t>(value.size()), path, "number of entries");
    json out = json::object();
    for (auto entry = value.begin(); entry != value.end() && faults_.size() < kMostFaults;
         ++entry) {
      const std::string place = absl::StrCat(path, "[\"", entry.key().substr(0, 64), "\"]");
      CheckText(*shape.key, entry.key(), place);
      out[entry.key()] = Check(*shape.element, entry.value(), place);
    }
    return out;
  }

  std::vector<FieldFault> faults_;
};

// A text of a path or query as the JSON value that the shape wants; a text that is no such value
// stays a text and is refused by the check.
json FromText(const Shape& shape, const std::string& text) {
  std::int64_t number = 0;
  if (shape.kind == Kind::kInteger && absl::SimpleAtoi(text, &number)) return number;
  if (shape.kind == Kind::kBoolean && (text == "true" || text == "false")) return text == "true";
  return text;
}

// Puts the members of path and query into `document`. An error names the parameter.
std::string AddParameters(const Operation& operation, const RawInput& input, json& document) {
  for (const Member& member : operation.input) {
    if ((member.flags & (kInUri | kInQuery)) == 0) continue;
    const std::string name(member.name);
    document.erase(name);  // of a body: not its place
    if ((member.flags & kInUri) != 0) {
      const auto found = input.uri.find(name);
      if (found != input.uri.end()) document[name] = FromText(*member.shape, found->second);
      continue;
    }
    for (const auto& [key, value] : input.query) {
      if (key != name) continue;
      if (member.shape->kind == Kind::kList) {
        document[name].push_back(FromText(*member.shape->element, value));
      } else if (document.contains(name)) {
        return absl::StrCat("query parameter ", name, " is given twice");
      } else {
        document[name] = FromText(*member.shape, value);
      }
    }
  }
  return "";
}

}  // namespace

std::vector<FieldFault> Faults(const Shape& shape, const json& value) {
  Walk walk;
  const json known = walk.Check(shape, value, "");
  if (walk.faults().empty() && known != value) {
    walk.faults().push_back({"", absl::StrCat("has members of its own; known: ", known.dump())});
  }
  return walk.faults();
}

std::variant<json, ApiError> Validate(const Operation& operation, const RawInput& input) {
  json document = json::object();
  if (!input.body.empty()) {
    absl::StatusOr<json> parsed = ParseJson(input.body);
    if (!parsed.ok()) {
      return ValidationError(kCannotParse, absl::StrCat("body: ", parsed.status().message()));
    }
    if (!parsed->is_object()) {
      return ValidationError(kCannotParse, "body: must be a JSON object");
    }
    document = *std::move(parsed);
  }
  if (const std::string wrong = AddParameters(operation, input, document); !wrong.empty()) {
    return ValidationError(kCannotParse, wrong);
  }
  Walk walk;
  json out = walk.CheckStructure(operation.input, document, "");
  if (walk.faults().empty()) return out;
  const FieldFault& first = walk.faults().front();
  std::string message = absl::StrCat(
      walk.faults().size(),
      walk.faults().size() == 1 ? " validation error detected: " : " validation errors detected: ",
      first.name, " ", first.message);
  return ValidationError(kFieldValidationFailed, std::move(message), walk.faults());
}

}  // namespace godwit::gateway::mgn
