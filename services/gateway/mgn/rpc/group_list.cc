#include "services/gateway/mgn/rpc/group_list.h"

#include <algorithm>
#include <type_traits>

#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/group_json.h"
#include "services/gateway/mgn/rpc/group_kinds.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

constexpr int kDefaultPage = 50;
constexpr int kMostOfRegistry = 500;

// Adds the names of the ids in filter `member`. False when it asks for some and none of them can be
// ours.
template <typename Message>
bool AddNames(const json& filters, const char* member,
              google::protobuf::RepeatedPtrField<std::string>* names) {
  using Kind = GroupKind<Message>;
  const json ids = filters.value(member, json::array());
  for (const json& id : ids) {
    const absl::StatusOr<std::string> name =
        ResourceName(Kind::kCollection, Kind::kPrefix, id.get<std::string>());
    if (name.ok()) *names->Add() = *name;
  }
  return ids.empty() || !names->empty();
}

template <typename Message>
absl::StatusOr<json> ListGroups(const Call& call, const json& input) {
  using Kind = GroupKind<Message>;
  const json filters = input.value("filters", json::object());
  const std::string filter_text = filters.dump();
  pb::ListGroupsRequest request;
  ASSIGN_OR_RETURN(*request.mutable_page_token(), ParsePageToken(call.operation().name, filter_text,
                                                                 input.value("nextToken", "")));
  request.set_show_archived(true);
  if (filters.contains("isArchived")) request.set_archived(filters["isArchived"].get<bool>());
  json out = {{"items", json::array()}};
  if (!AddNames<Message>(filters, Kind::kIdsFilter, request.mutable_names())) return out;
  // Waves have one filter of ids, applications two.
  if constexpr (std::is_same_v<Message, pb::Application>) {
    if (!AddNames<pb::Wave>(filters, "waveIDs", request.mutable_waves())) return out;
  }
  const int most = input.value("maxResults", kDefaultPage);
  const auto stub = pb::FleetService::NewStub(call.services().registry);
  do {
    request.set_page_size(std::min(kMostOfRegistry, most - static_cast<int>(out["items"].size())));
    ASSIGN_OR_RETURN(const typename Kind::List page, call.Ask(stub, Kind::kList, request));
    for (const Message& group : Kind::Items(page)) {
      out["items"].push_back(GroupJson(group, call.place()));
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(out["items"].size()) < most);
  const std::string next = PageToken(call.operation().name, filter_text, request.page_token());
  if (!next.empty()) out["nextToken"] = next;
  return out;
}

}  // namespace

absl::StatusOr<json> ListApplications(const Call& call, const json& input) {
  return ListGroups<pb::Application>(call, input);
}

absl::StatusOr<json> ListWaves(const Call& call, const json& input) {
  return ListGroups<pb::Wave>(call, input);
}

}  // namespace godwit::gateway::mgn
