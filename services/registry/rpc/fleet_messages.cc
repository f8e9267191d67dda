#include "services/registry/rpc/fleet_messages.h"

#include <algorithm>
#include <set>

#include "services/common/base/ids.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/field_rules.h"

namespace godwit::registry {
namespace {

using storage::GroupKind;

constexpr int kMostNames = 200;
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxDescription = 1024;
constexpr std::size_t kMaxCharacterBytes = 4;

// Counted in characters, as people and other interfaces count.
absl::Status CheckCharacters(const std::string& field, const std::string& text, std::size_t least,
                             std::size_t most) {
  RETURN_IF_ERROR(CheckText(field, text, least, most * kMaxCharacterBytes));
  const auto characters = static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; }));
  if (characters <= most) return absl::OkStatus();
  return rpc::FieldError(
      field, absl::StrCat("has ", characters, " characters; at most ", most, " are allowed"));
}

}  // namespace

KindInfo InfoOf(GroupKind kind) {
  return kind == GroupKind::kApplication ? KindInfo{"Application", "applications", "app-"}
                                         : KindInfo{"Wave", "waves", "wave-"};
}

KindInfo MemberInfoOf(GroupKind kind) {
  return kind == GroupKind::kApplication ? KindInfo{"SourceServer", "sourceServers", "s-"}
                                         : InfoOf(GroupKind::kApplication);
}

absl::StatusOr<std::string> IdIn(absl::string_view field, const KindInfo& info,
                                 absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName(field, info.collection, info.prefix, name);
  if (!id.ok()) return rpc::FieldError(field, id.status().message());
  return id;
}

absl::StatusOr<std::vector<std::string>> IdsIn(
    const std::string& field, const KindInfo& info,
    const google::protobuf::RepeatedPtrField<std::string>& names, int least) {
  if (names.size() < least) return rpc::FieldError(field, "is required");
  RETURN_IF_ERROR(CheckCount(field, names.size(), kMostNames));
  std::set<std::string> ids;
  for (int i = 0; i < names.size(); ++i) {
    ASSIGN_OR_RETURN(const std::string id,
                     IdIn(absl::StrCat(field, "[", i, "]"), info, names.Get(i)));
    ids.insert(id);
  }
  return std::vector<std::string>(ids.begin(), ids.end());
}

absl::Status CheckGroupContent(const std::string& field, const std::string& display_name,
                               const std::string& description, const Tags& tags) {
  RETURN_IF_ERROR(CheckCharacters(field + ".display_name", display_name, 1, kMaxName));
  RETURN_IF_ERROR(CheckCharacters(field + ".description", description, 0, kMaxDescription));
  return CheckTags(field + ".tags", tags);
}

absl::StatusOr<storage::GroupQuery> QueryOf(GroupKind kind, const pb::ListGroupsRequest& request) {
  ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request.page_token()));
  storage::GroupQuery query{
      .show_archived = request.show_archived(), .after_time = after.time, .after_id = after.id};
  if (request.has_archived()) query.archived = request.archived();
  ASSIGN_OR_RETURN(query.limit, PageSize(request.page_size()));
  ASSIGN_OR_RETURN(query.ids, IdsIn("names", InfoOf(kind), request.names(), 0));
  ASSIGN_OR_RETURN(query.waves, IdsIn("waves", InfoOf(GroupKind::kWave), request.waves(), 0));
  if (kind == GroupKind::kWave && !query.waves.empty()) {
    return rpc::FieldError("waves", "is for applications; waves are chosen by names");
  }
  return query;
}

pb::GroupStatus StatusOf(const storage::Group& group) {
  const GroupFacts& facts = group.facts;
  pb::GroupStatus out;
  out.set_health(static_cast<pb::GroupStatus::Health>(HealthOf(group.archived, facts)));
  out.set_progress(static_cast<pb::GroupStatus::Progress>(ProgressOf(facts)));
  SetTime(std::max(group.update_time, facts.last_change.value_or(group.update_time)),
          out.mutable_update_time());
  if (facts.first_start) SetTime(*facts.first_start, out.mutable_replication_start_time());
  out.set_application_count(static_cast<int>(facts.applications));
  out.set_server_count(static_cast<int>(facts.servers));
  out.set_started_count(static_cast<int>(facts.started));
  out.set_cut_over_count(static_cast<int>(facts.cut_over));
  out.set_stalled_count(static_cast<int>(facts.stalled));
  out.set_lagging_count(static_cast<int>(facts.lagging));
  return out;
}

}  // namespace godwit::registry
