// Tags of everything that has some.
#include <array>
#include <functional>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/server_json.h"
#include "services/gateway/mgn/rpc/tag_holders.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

constexpr int kAttempts = 5;

struct Tagged {
  const TagHolder* holder = nullptr;
  std::string id;
};

// What the ARN names.
absl::StatusOr<Tagged> TaggedIn(const Call& call, const json& input) {
  static const auto* const kHolders = new std::array{
      ServerTags(),         ApplicationTags(), WaveTags(),   ReplicationTemplateTags(),
      LaunchTemplateTags(), ConnectorTags(),   ImportTags(), ExportTags(),
  };
  const std::string arn = input["resourceArn"];
  const std::optional<Resource> resource = ParseArn(arn, call.place());
  if (!resource) return rpc::FieldError("resourceArn", "is no ARN of this installation");
  for (const TagHolder& holder : *kHolders) {
    if (holder.type == resource->type) return Tagged{.holder = &holder, .id = resource->id};
  }
  if (resource->type == "job") return absl::NotFoundError(absl::StrCat(arn, ": jobs have no tags"));
  return absl::UnimplementedError(
      absl::StrCat("tags of a ", resource->type, " cannot be reached here yet"));
}

// Changes the tags; somebody else's change in between is kept.
absl::StatusOr<json> Change(const Call& call, const json& input,
                            const std::function<void(Tags&)>& change) {
  ASSIGN_OR_RETURN(const Tagged tagged, TaggedIn(call, input));
  absl::Status status;
  for (int i = 0; i < kAttempts; ++i) {
    status = tagged.holder->change(call, tagged.id, change);
    if (!absl::IsAborted(status)) break;
  }
  RETURN_IF_ERROR(status);
  return json::object();
}

absl::StatusOr<json> TagResource(const Call& call, const json& input) {
  return Change(call, input, [&](Tags& tags) {
    for (const auto& [key, value] : input["tags"].items()) tags[key] = value.get<std::string>();
  });
}

absl::StatusOr<json> UntagResource(const Call& call, const json& input) {
  return Change(call, input, [&](Tags& tags) {
    for (const json& key : input["tagKeys"]) tags.erase(key.get<std::string>());
  });
}

absl::StatusOr<json> ListTagsForResource(const Call& call, const json& input) {
  ASSIGN_OR_RETURN(const Tagged tagged, TaggedIn(call, input));
  ASSIGN_OR_RETURN(const Tags found, tagged.holder->read(call, tagged.id));
  json tags = json::object();
  for (const auto& [key, value] : found) tags[key] = value;
  return json{{"tags", tags}};
}

absl::Status ChangeServer(const Call& call, const std::string& id,
                          const std::function<void(Tags&)>& change) {
  ASSIGN_OR_RETURN(pb::SourceServer server, GetServer(call, id));
  pb::UpdateSourceServerRequest request;
  request.mutable_source_server()->set_name(server.name());
  request.mutable_source_server()->set_etag(server.etag());
  request.mutable_source_server()->mutable_tags()->swap(*server.mutable_tags());
  change(*request.mutable_source_server()->mutable_tags());
  request.mutable_update_mask()->add_paths("tags");
  return call
      .Ask(pb::SourceServerService::NewStub(call.services().registry),
           &pb::SourceServerService::Stub::UpdateSourceServer, request)
      .status();
}

}  // namespace

TagHolder ServerTags() {
  return {.type = "source-server",
          .read = [](const Call& call, const std::string& id) -> absl::StatusOr<Tags> {
            ASSIGN_OR_RETURN(const pb::SourceServer server, GetServer(call, id));
            return server.tags();
          },
          .change = ChangeServer};
}

OperationList TagCalls() {
  return {{"TagResource", TagResource},
          {"UntagResource", UntagResource},
          {"ListTagsForResource", ListTagsForResource}};
}

}  // namespace godwit::gateway::mgn
