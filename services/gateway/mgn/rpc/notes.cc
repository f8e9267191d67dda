#include "services/gateway/mgn/rpc/notes.h"

#include "absl/strings/str_cat.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/json_text.h"
#include "services/gateway/mgn/validate.h"

namespace godwit::gateway::mgn {
namespace {

constexpr std::size_t kMostTagKey = 128;
constexpr std::size_t kMostTagValue = 256;

}  // namespace

using nlohmann::json;

void KeepNotes(const json& input, const std::set<absl::string_view>& meant, Notes* notes) {
  for (const auto& [name, value] : input.items()) {
    if (meant.count(name) == 0) KeepNote(name, value, notes);
  }
}

void KeepNote(const std::string& name, const json& value, Notes* notes) {
  (*notes)[name] = value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json NoteOf(const Notes& notes, const std::string& name) {
  const auto found = notes.find(name);
  if (found == notes.end()) return nullptr;
  // With its limits: others can write notes as well.
  absl::StatusOr<json> value = ParseJson(found->second);
  return value.ok() ? *std::move(value) : json();
}

void ShowNotes(const Notes& notes, json* out) {
  for (const auto& [name, text] : notes) {
    if (out->contains(name)) continue;
    json value = NoteOf(notes, name);
    if (!value.is_null()) (*out)[name] = std::move(value);
  }
}

absl::Status CheckTags(const std::string& member, const json& tags) {
  for (const auto& [key, value] : tags.items()) {
    if (key.empty() || key.size() > kMostTagKey) {
      return rpc::FieldError(member, absl::StrCat("keys have 1 to ", kMostTagKey, " bytes"));
    }
    if (value.get_ref<const std::string&>().size() > kMostTagValue) {
      return rpc::FieldError(absl::StrCat(member, ".", key),
                             absl::StrCat("has more than ", kMostTagValue, " bytes"));
    }
  }
  return absl::OkStatus();
}

json TagsJson(const google::protobuf::Map<std::string, std::string>& tags) {
  json out = json::object();
  for (const auto& [key, value] : tags) out[key] = value;
  return out;
}

json Fitting(const Shape& shape, const json& out) {
  json fitting = json::object();
  for (const Member& member : shape.Members()) {
    const std::string name(member.name);
    const auto found = out.find(name);
    if (found == out.end() || !Faults(*member.shape, *found).empty()) continue;
    fitting[name] = *found;
  }
  return fitting;
}

}  // namespace godwit::gateway::mgn
