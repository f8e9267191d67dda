// Members of the MGN API that mean nothing here: kept with the settings as notes (member to JSON
// value) and given back as they were. Pure; thread-safe.
#pragma once

#include <google/protobuf/map.h>

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

using Notes = google::protobuf::Map<std::string, std::string>;

// Keeps the members of `input` that are not among `meant`.
void KeepNotes(const nlohmann::json& input, const std::set<absl::string_view>& meant, Notes* notes);
void KeepNote(const std::string& name, const nlohmann::json& value, Notes* notes);
// The note of this name; null when there is none, or when it is no JSON.
nlohmann::json NoteOf(const Notes& notes, const std::string& name);
// Adds the notes to `out` that it has no member for.
void ShowNotes(const Notes& notes, nlohmann::json* out);

// Tags as they are here: keys of 1 to 128 bytes, values of at most 256 (MGN: up to 256 characters,
// and empty keys). INVALID_ARGUMENT names `member`; null is fine.
absl::Status CheckTags(const std::string& member, const nlohmann::json& tags);
nlohmann::json TagsJson(const google::protobuf::Map<std::string, std::string>& tags);

// `out` without the members that the structure `shape` lacks or that do not fit it: notes can be
// written by others, and what gRPC allows, clients of MGN may refuse to read.
nlohmann::json Fitting(const Shape& shape, const nlohmann::json& out);

}  // namespace godwit::gateway::mgn
