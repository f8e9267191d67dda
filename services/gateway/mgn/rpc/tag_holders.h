// What has tags: a new kind of resource adds a function here and names it in tag_calls.cc.
#pragma once

#include <google/protobuf/map.h>

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/gateway/mgn/rpc/call.h"

namespace godwit::gateway::mgn {

using Tags = google::protobuf::Map<std::string, std::string>;

struct TagHolder {
  absl::string_view type;  // of its ARNs, "source-server"
  // NOT_FOUND: no such resource.
  std::function<absl::StatusOr<Tags>(const Call&, const std::string& id)> read;
  // Changes what is read now. ABORTED: it changed meanwhile; the caller does it again. May call
  // `change` only once.
  std::function<absl::Status(const Call&, const std::string& id,
                             const std::function<void(Tags&)>& change)>
      change;
};

TagHolder ServerTags();
TagHolder ApplicationTags();
TagHolder WaveTags();
TagHolder ConnectorTags();
TagHolder ImportTags();
TagHolder ExportTags();
TagHolder ReplicationTemplateTags();
TagHolder LaunchTemplateTags();

}  // namespace godwit::gateway::mgn
