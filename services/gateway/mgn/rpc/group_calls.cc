// Applications and waves, but their lists.
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/group_json.h"
#include "services/gateway/mgn/rpc/group_kinds.h"
#include "services/gateway/mgn/rpc/group_list.h"
#include "services/gateway/mgn/rpc/member_names.h"
#include "services/gateway/mgn/rpc/tag_holders.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

template <typename Message>
using Verb = grpc::Status (pb::FleetService::Stub::*)(grpc::ClientContext*,
                                                      const pb::AssociateRequest&, Message*);

// All operations of one kind.
template <typename Message>
class Group {
 public:
  using Kind = GroupKind<Message>;

  static absl::StatusOr<json> Create(const Call& call, const json& input) {
    typename Kind::Create request;
    request.set_request_id(call.ChangeId());
    Message& wanted = Kind::In(request);
    wanted.set_display_name(input["name"].get<std::string>());
    wanted.set_description(input.value("description", ""));
    const json tags = input.value("tags", json::object());
    for (const auto& [key, value] : tags.items()) {
      (*wanted.mutable_tags())[key] = value.template get<std::string>();
    }
    return Show(call, call.Ask(Registry(call), Kind::kCreate, request));
  }

  static absl::StatusOr<json> Update(const Call& call, const json& input) {
    typename Kind::Update request;
    request.set_request_id(call.ChangeId());
    Message& wanted = Kind::In(request);
    ASSIGN_OR_RETURN(*wanted.mutable_name(), NameIn(input));
    if (input.contains("name")) {
      wanted.set_display_name(input["name"].get<std::string>());
      request.mutable_update_mask()->add_paths("display_name");
    }
    if (input.contains("description")) {
      wanted.set_description(input["description"].get<std::string>());
      request.mutable_update_mask()->add_paths("description");
    }
    // Nothing to change: the group as it is.
    if (request.update_mask().paths().empty()) return Show(call, Read(call, wanted.name()));
    return Show(call, call.Ask(Registry(call), Kind::kUpdate, request));
  }

  static OperationFunction SetArchived(bool archived) {
    return [archived](const Call& call, const json& input) -> absl::StatusOr<json> {
      typename Kind::Update request;
      request.set_request_id(call.ChangeId());
      ASSIGN_OR_RETURN(*Kind::In(request).mutable_name(), NameIn(input));
      Kind::In(request).set_archived(archived);
      request.mutable_update_mask()->add_paths("archived");
      return Show(call, call.Ask(Registry(call), Kind::kUpdate, request));
    };
  }

  static absl::StatusOr<json> Delete(const Call& call, const json& input) {
    pb::DeleteGroupRequest request;
    request.set_request_id(call.ChangeId());
    ASSIGN_OR_RETURN(*request.mutable_name(), NameIn(input));
    RETURN_IF_ERROR(call.Ask(Registry(call), Kind::kDelete, request).status());
    return json::object();
  }

  static OperationFunction ChangeMembers(Verb<Message> verb) {
    return [verb](const Call& call, const json& input) -> absl::StatusOr<json> {
      pb::AssociateRequest request;
      request.set_request_id(call.ChangeId());
      ASSIGN_OR_RETURN(*request.mutable_name(), NameIn(input));
      for (const json& id : input[Kind::kMemberIds]) {
        ASSIGN_OR_RETURN(
            *request.add_members(),
            ResourceName(Kind::kMemberCollection, Kind::kMemberPrefix, id.get<std::string>()));
      }
      RETURN_IF_ERROR(InMembers(call.Ask(Registry(call), verb, request).status(),
                                {{"members", Kind::kMemberIds}, {"name", Kind::kId}}));
      return json::object();
    };
  }

  static TagHolder TagsOf() {
    return {.type = Kind::kTagType,
            .read = [](const Call& call, const std::string& id) -> absl::StatusOr<Tags> {
              ASSIGN_OR_RETURN(const Message group, ReadById(call, id));
              return group.tags();
            },
            .change = [](const Call& call, const std::string& id,
                         const std::function<void(Tags&)>& change) -> absl::Status {
              ASSIGN_OR_RETURN(Message group, ReadById(call, id));
              typename Kind::Update request;
              Message& wanted = Kind::In(request);
              wanted.set_name(group.name());
              wanted.set_etag(group.etag());
              wanted.mutable_tags()->swap(*group.mutable_tags());
              change(*wanted.mutable_tags());
              request.mutable_update_mask()->add_paths("tags");
              return InMembers(call.Ask(Registry(call), Kind::kUpdate, request).status(), Names());
            }};
  }

 private:
  static std::unique_ptr<pb::FleetService::Stub> Registry(const Call& call) {
    return pb::FleetService::NewStub(call.services().registry);
  }
  static absl::StatusOr<std::string> NameIn(const json& input) {
    return ResourceName(Kind::kCollection, Kind::kPrefix,
                        input[Kind::kId].template get<std::string>());
  }
  static absl::StatusOr<Message> Read(const Call& call, const std::string& name) {
    pb::GetGroupRequest request;
    request.set_name(name);
    return call.Ask(Registry(call), Kind::kGet, request);
  }
  static absl::StatusOr<Message> ReadById(const Call& call, const std::string& id) {
    ASSIGN_OR_RETURN(const std::string name, ResourceName(Kind::kCollection, Kind::kPrefix, id));
    return Read(call, name);
  }
  static MemberNames Names() {
    static const auto* const kNames = new std::vector<std::string>{
        absl::StrCat(Kind::kField, ".display_name"), absl::StrCat(Kind::kField, ".description"),
        absl::StrCat(Kind::kField, ".tags"), absl::StrCat(Kind::kField, ".name")};
    return {{(*kNames)[0], "name"},
            {(*kNames)[1], "description"},
            {(*kNames)[2], "tags"},
            {(*kNames)[3], Kind::kId}};
  }
  static absl::StatusOr<json> Show(const Call& call, const absl::StatusOr<Message>& group) {
    if (!group.ok()) return InMembers(group.status(), Names());
    return GroupJson(*group, call.place());
  }
};

using Application = Group<pb::Application>;
using Wave = Group<pb::Wave>;

}  // namespace

TagHolder ApplicationTags() { return Application::TagsOf(); }
TagHolder WaveTags() { return Wave::TagsOf(); }

OperationList GroupCalls() {
  using Stub = pb::FleetService::Stub;
  return {
      {"ListApplications", ListApplications},
      {"CreateApplication", Application::Create},
      {"UpdateApplication", Application::Update},
      {"DeleteApplication", Application::Delete},
      {"ArchiveApplication", Application::SetArchived(true)},
      {"UnarchiveApplication", Application::SetArchived(false)},
      {"AssociateSourceServers", Application::ChangeMembers(&Stub::AssociateSourceServers)},
      {"DisassociateSourceServers", Application::ChangeMembers(&Stub::DisassociateSourceServers)},
      {"ListWaves", ListWaves},
      {"CreateWave", Wave::Create},
      {"UpdateWave", Wave::Update},
      {"DeleteWave", Wave::Delete},
      {"ArchiveWave", Wave::SetArchived(true)},
      {"UnarchiveWave", Wave::SetArchived(false)},
      {"AssociateApplications", Wave::ChangeMembers(&Stub::AssociateApplications)},
      {"DisassociateApplications", Wave::ChangeMembers(&Stub::DisassociateApplications)},
  };
}

}  // namespace godwit::gateway::mgn
