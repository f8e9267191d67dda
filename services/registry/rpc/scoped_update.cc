#include "services/registry/rpc/scoped_update.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/storage/scope_store.h"

namespace godwit::registry {

absl::Status CheckScopedUpdate(const pb::UpdateSourceServerRequest& request) {
  const auto& paths = request.update_mask().paths();
  if (std::find(paths.begin(), paths.end(), "user_provided_id") == paths.end()) {
    return absl::OkStatus();
  }
  return rpc::WithInfo(absl::FailedPreconditionError(
                           "update_mask: user_provided_id is one of the whole installation; users "
                           "who are limited to a scope cannot set it, ask an admin"),
                       {.reason = "SCOPED", .domain = "registry"});
}

absl::Status CheckScopedTags(pg::Connection& connection, const std::string& before,
                             const std::string& after) {
  if (before == after) return absl::OkStatus();
  Tags old_tags, new_tags;
  RETURN_IF_ERROR(TagsFromJson(before, &old_tags));
  RETURN_IF_ERROR(TagsFromJson(after, &new_tags));
  ASSIGN_OR_RETURN(const std::set<std::string> deciding, storage::TagsOfScopes(connection));
  for (const std::string& key : deciding) {
    const auto was = old_tags.find(key), is = new_tags.find(key);
    const bool same = was == old_tags.end() || is == new_tags.end()
                          ? (was == old_tags.end()) == (is == new_tags.end())
                          : was->second == is->second;
    if (same) continue;
    return rpc::WithInfo(
        absl::FailedPreconditionError(
            absl::StrCat("source_server.tags: \"", key,
                         "\" decides who reaches the server; users who are limited to a scope "
                         "cannot change it, ask an admin")),
        {.reason = "TAG_DECIDES_SCOPE", .domain = "registry", .metadata = {{"tag", key}}});
  }
  return absl::OkStatus();
}

}  // namespace godwit::registry
