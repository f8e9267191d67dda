#include "cli/settings_json.h"

#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

constexpr std::size_t kMostBytes = 1u << 20;

absl::Status FromJson(absl::string_view json, google::protobuf::Message& message) {
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &message);
  if (status.ok()) return absl::OkStatus();
  const auto text = status.message();
  return absl::InvalidArgumentError(
      absl::StrCat("--json: ", std::string(text.data(), text.size())));
}

}  // namespace

absl::StatusOr<std::set<std::string>> MergeJson(absl::string_view json,
                                                google::protobuf::Message& settings) {
  google::protobuf::Struct keys;
  RETURN_IF_ERROR(FromJson(json, keys));
  const std::unique_ptr<google::protobuf::Message> given(settings.New());
  RETURN_IF_ERROR(FromJson(json, *given));
  std::set<std::string> names;
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  const auto* type = settings.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    if (!keys.fields().contains(field->json_name()) && !keys.fields().contains(field->name()))
      continue;
    names.insert(field->name());
    fields.push_back(field);
  }
  // A field that the JSON sets to its default is cleared: swapping takes the absence over.
  settings.GetReflection()->SwapFields(&settings, given.get(), fields);
  return names;
}

absl::StatusOr<std::set<std::string>> MergeJsonFile(const std::string& path,
                                                    google::protobuf::Message& settings) {
  std::string text;
  if (path == "-") {
    char buffer[4096];
    while (std::cin.read(buffer, sizeof(buffer)), std::cin.gcount() > 0) {
      text.append(buffer, static_cast<std::size_t>(std::cin.gcount()));
      if (text.size() > kMostBytes) return absl::InvalidArgumentError("--json: more than 1 MiB");
    }
  } else {
    const absl::StatusOr<std::string> read = ReadFile(path, kMostBytes);
    if (!read.ok())
      return absl::InvalidArgumentError(absl::StrCat("--json: ", read.status().message()));
    text = *read;
  }
  return MergeJson(text, settings);
}

}  // namespace godwit::cli
