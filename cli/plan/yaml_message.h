// YAML as protobuf messages and back. Errors name file, line and column.
#pragma once

#include <yaml-cpp/yaml.h>

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace godwit::cli {

// A file being read: its name for errors, and how much of it was visited (aliases are followed, so
// that a small file could be a large one). Not thread-safe.
class YamlFile {
 public:
  explicit YamlFile(std::string path) : path_(std::move(path)) {}
  // INVALID_ARGUMENT "path:line:column: text".
  absl::Status Error(const YAML::Mark& mark, absl::string_view text) const;
  absl::Status Error(const YAML::Node& node, absl::string_view text) const {
    return Error(node.Mark(), text);
  }
  // Error when more than 100,000 values were visited. Called for every value.
  absl::Status Visit(const YAML::Node& node);

  // Each checks the kind of `node` and gives an error otherwise. `what` names the key.
  absl::StatusOr<std::string> Text(const YAML::Node& node, absl::string_view what);
  absl::Status NeedMap(const YAML::Node& node, absl::string_view what,
                       const std::set<std::string>& known);  // unknown and repeated keys are errors
  absl::Status NeedList(const YAML::Node& node, absl::string_view what);

 private:
  const std::string path_;
  int visited_ = 0;
};

// Puts the map `node` into `message`: keys are field names (as in the .proto). Enums are written in
// small letters with dashes, durations "5m", fields in bytes may be "2GiB". Gives the names of the
// top-level fields there were. Unknown keys are errors.
absl::StatusOr<std::set<std::string>> MessageFromYaml(YamlFile& file, const YAML::Node& node,
                                                      google::protobuf::Message& message);

// The fields that are set, as MessageFromYaml reads them.
void MessageToYaml(const google::protobuf::Message& message, YAML::Emitter& out);
// One field of the message on one line, for people: "5m", "[80, 443]". "-" when it is not set.
std::string FieldText(const google::protobuf::Message& message,
                      const google::protobuf::FieldDescriptor* field);

}  // namespace godwit::cli
