#include "services/registry/rpc/starting_settings.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/template_names.h"
#include "services/registry/storage/template_store.h"

namespace godwit::registry {
namespace {

// Of a token's field, which is empty for the default.
absl::StatusOr<storage::Template> Find(pg::Connection& connection, const std::string& id) {
  absl::StatusOr<storage::Template> found =
      storage::GetTemplate(connection, id.empty() ? storage::kDefaultTemplate : id);
  if (!absl::IsNotFound(found.status())) return found;
  return rpc::WithInfo(
      absl::FailedPreconditionError(absl::StrCat("token: new servers would start with ",
                                                 TemplateName(id),
                                                 ", which was deleted; make a new token")),
      {.reason = "TEMPLATE_GONE",
       .domain = "registry",
       .metadata = {{"template", TemplateName(id)}, {"helpful_call", "CreateToken"}}});
}

}  // namespace

absl::Status LockTemplatesOf(pg::Connection& connection, const InstallationToken& token) {
  std::vector<std::pair<std::string, const char*>> named = {
      {token.replication_template, "replication_template"},
      {token.launch_template, "launch_template"}};
  std::sort(named.begin(), named.end());  // all lock in one order
  for (const auto& [id, field] : named) {
    if (id.empty()) continue;
    const absl::StatusOr<storage::Template> found = storage::LockTemplate(connection, id);
    if (absl::IsNotFound(found.status())) {
      return rpc::FieldError(field, absl::StrCat("there is no ", TemplateName(id),
                                                 "; ListSettingsTemplates gives those there are"));
    }
    RETURN_IF_ERROR(found);
  }
  return absl::OkStatus();
}

absl::Status Furnish(pg::Connection& connection, const InstallationToken& token,
                     SourceServer* server) {
  ASSIGN_OR_RETURN(storage::Template replication, Find(connection, token.replication_template));
  ASSIGN_OR_RETURN(storage::Template launch, Find(connection, token.launch_template));
  server->replication_settings = std::move(replication.replication);
  server->launch_settings = std::move(launch.launch);
  Tags tags;
  RETURN_IF_ERROR(AddTags(replication.tags, &tags));
  RETURN_IF_ERROR(AddTags(launch.tags, &tags));
  server->tags = TagsToJson(tags);
  return absl::OkStatus();
}

absl::Status AddTags(const std::string& json, Tags* tags) {
  Tags more;
  RETURN_IF_ERROR(TagsFromJson(json, &more));
  for (const auto& [key, value] : more) (*tags)[key] = value;
  return absl::OkStatus();
}

}  // namespace godwit::registry
