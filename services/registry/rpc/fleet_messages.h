// Applications and waves between messages and the store. Message is Application or Wave.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "godwit/registry/v1/fleet_service.pb.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/storage/group_store.h"

namespace godwit::registry {

struct KindInfo {
  const char* noun;        // "Application"
  const char* collection;  // "applications"
  const char* prefix;      // "app-"
};
KindInfo InfoOf(storage::GroupKind kind);
// Of the members of such a group.
KindInfo MemberInfoOf(storage::GroupKind kind);

// The id in a resource name. INVALID_ARGUMENT names `field`.
absl::StatusOr<std::string> IdIn(absl::string_view field, const KindInfo& info,
                                 absl::string_view name);
// Those in a list of names, ascending, each once. At least `least`, at most 200.
absl::StatusOr<std::vector<std::string>> IdsIn(
    const std::string& field, const KindInfo& info,
    const google::protobuf::RepeatedPtrField<std::string>& names, int least);

// 1 to 256 characters of name, at most 1024 of description, tags.
absl::Status CheckGroupContent(const std::string& field, const std::string& display_name,
                               const std::string& description, const Tags& tags);

// What the request asks for; INVALID_ARGUMENT names the field.
absl::StatusOr<storage::GroupQuery> QueryOf(storage::GroupKind kind,
                                            const pb::ListGroupsRequest& request);

pb::GroupStatus StatusOf(const storage::Group& group);

inline void SetOwn(const storage::Group& group, pb::Application* out) {
  if (!group.wave.empty()) out->set_wave(absl::StrCat("waves/", group.wave));
}
inline void SetOwn(const storage::Group&, pb::Wave*) {}

// A group with its facts.
template <typename Message>
absl::Status ToProto(storage::GroupKind kind, const storage::Group& group, Message* out) {
  out->set_name(absl::StrCat(InfoOf(kind).collection, "/", group.id));
  out->set_display_name(group.display_name);
  out->set_description(group.description);
  RETURN_IF_ERROR(TagsFromJson(group.tags, out->mutable_tags()));
  out->set_archived(group.archived);
  SetTime(group.create_time, out->mutable_create_time());
  SetTime(group.update_time, out->mutable_update_time());
  out->set_etag(Etag(group.version));
  *out->mutable_status() = StatusOf(group);
  SetOwn(group, out);
  return absl::OkStatus();
}

}  // namespace godwit::registry
