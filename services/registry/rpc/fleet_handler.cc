#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/fleet.h"
#include "services/registry/rpc/fleet_messages.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/settings_rules.h"

namespace godwit::registry {
namespace {

using Context = grpc::ServerContext;
using storage::Group;
using storage::GroupKind;

class FleetHandler final : public pb::FleetService::Service {
 public:
  explicit FleetHandler(Backend& backend) : backend_(backend) {}

  grpc::Status GetApplication(Context* context, const pb::GetGroupRequest* request,
                              pb::Application* response) override {
    return Get(context, GroupKind::kApplication, *request, response);
  }
  grpc::Status GetWave(Context* context, const pb::GetGroupRequest* request,
                       pb::Wave* response) override {
    return Get(context, GroupKind::kWave, *request, response);
  }
  grpc::Status ListApplications(Context* context, const pb::ListGroupsRequest* request,
                                pb::ListApplicationsResponse* response) override {
    return List(context, GroupKind::kApplication, *request, response,
                [&] { return response->add_applications(); });
  }
  grpc::Status ListWaves(Context* context, const pb::ListGroupsRequest* request,
                         pb::ListWavesResponse* response) override {
    return List(context, GroupKind::kWave, *request, response,
                [&] { return response->add_waves(); });
  }
  grpc::Status CreateApplication(Context* context, const pb::CreateApplicationRequest* request,
                                 pb::Application* response) override {
    return Create(context, GroupKind::kApplication, "application", *request, request->application(),
                  response);
  }
  grpc::Status CreateWave(Context* context, const pb::CreateWaveRequest* request,
                          pb::Wave* response) override {
    return Create(context, GroupKind::kWave, "wave", *request, request->wave(), response);
  }
  grpc::Status UpdateApplication(Context* context, const pb::UpdateApplicationRequest* request,
                                 pb::Application* response) override {
    return Update(context, GroupKind::kApplication, "application", *request, request->application(),
                  response);
  }
  grpc::Status UpdateWave(Context* context, const pb::UpdateWaveRequest* request,
                          pb::Wave* response) override {
    return Update(context, GroupKind::kWave, "wave", *request, request->wave(), response);
  }
  grpc::Status DeleteApplication(Context* context, const pb::DeleteGroupRequest* request,
                                 pb::DeleteGroupResponse* response) override {
    return Delete(context, GroupKind::kApplication, *request, response);
  }
  grpc::Status DeleteWave(Context* context, const pb::DeleteGroupRequest* request,
                          pb::DeleteGroupResponse* response) override {
    return Delete(context, GroupKind::kWave, *request, response);
  }

  grpc::Status AssociateSourceServers(Context* context, const pb::AssociateRequest* request,
                                      pb::Application* response) override {
    return Members(context, GroupKind::kApplication, "AssociateSourceServers", *request, response,
                   [this](pg::Connection& connection, const Group& application,
                          const std::vector<std::string>& ids, const std::string& principal) {
                     return AssociateServers(backend_, connection, application, ids, principal);
                   });
  }
  grpc::Status DisassociateSourceServers(Context* context, const pb::AssociateRequest* request,
                                         pb::Application* response) override {
    return Members(context, GroupKind::kApplication, "DisassociateSourceServers", *request,
                   response, &DisassociateServers);
  }
  grpc::Status AssociateApplications(Context* context, const pb::AssociateRequest* request,
                                     pb::Wave* response) override {
    return Members(context, GroupKind::kWave, "AssociateApplications", *request, response,
                   [this](pg::Connection& connection, const Group& wave,
                          const std::vector<std::string>& ids, const std::string&) {
                     return registry::AssociateApplications(backend_, connection, wave, ids);
                   });
  }
  grpc::Status DisassociateApplications(Context* context, const pb::AssociateRequest* request,
                                        pb::Wave* response) override {
    return Members(context, GroupKind::kWave, "DisassociateApplications", *request, response,
                   [](pg::Connection& connection, const Group& wave,
                      const std::vector<std::string>& ids, const std::string&) {
                     return registry::DisassociateApplications(connection, wave, ids);
                   });
  }

  grpc::Status ListAuditEntries(Context* context, const pb::ListAuditEntriesRequest* request,
                                pb::ListAuditEntriesResponse* response) override {
    return rpc::Serve(
        context, "FleetService.ListAuditEntries", rpc::kAdmins,
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          ASSIGN_OR_RETURN(const std::int64_t before, ParseNumberToken(request->page_token()));
          RETURN_IF_ERROR(CheckText("resource", request->resource(), 0, 256));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const std::vector<storage::AuditRow> rows,
                           storage::ListAudit(*connection, before, request->resource(), size + 1));
          for (int i = 0; i < size && i < static_cast<int>(rows.size()); ++i) {
            SetAudit(rows[i], response->add_entries());
          }
          if (static_cast<int>(rows.size()) > size) {
            response->set_next_page_token(NumberToken(rows[size - 1].sequence));
          }
          return absl::OkStatus();
        });
  }

 private:
  static void SetAudit(const storage::AuditRow& row, pb::AuditEntry* out) {
    out->set_sequence(row.sequence);
    SetTime(row.time, out->mutable_time());
    out->set_principal(row.principal);
    out->set_peer(row.peer);
    out->set_method(row.method);
    out->set_resource(row.resource);
    out->set_code(row.code);
    out->set_request_id(row.request_id);
    out->set_detail(row.detail);
  }

  // Updates and deletions of earlier programs have none.
  static absl::Status CheckOptionalRequestId(const std::string& id) {
    return id.empty() ? absl::OkStatus() : CheckRequestId(id);
  }

  static absl::StatusOr<std::vector<std::string>> MembersIn(GroupKind kind,
                                                            const pb::AssociateRequest& request) {
    return IdsIn("members", MemberInfoOf(kind), request.members(), 1);
  }

  // The group as it is now, with what its members make up.
  template <typename Message>
  static absl::Status Show(pg::Connection& connection, GroupKind kind, const std::string& id,
                           Message* response) {
    ASSIGN_OR_RETURN(const Group group, storage::GetGroup(connection, kind, id));
    return ToProto(kind, group, response);
  }

  template <typename Message>
  grpc::Status Get(Context* context, GroupKind kind, const pb::GetGroupRequest& request,
                   Message* response) {
    return rpc::Serve(
        context, absl::StrCat("FleetService.Get", InfoOf(kind).noun), rpc::kReaders,
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string id, IdIn("name", InfoOf(kind), request.name()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          return Show(*connection, kind, id, response);
        });
  }

  template <typename Response, typename Add>
  grpc::Status List(Context* context, GroupKind kind, const pb::ListGroupsRequest& request,
                    Response* response, const Add& add) {
    return rpc::Serve(context, absl::StrCat("FleetService.List", InfoOf(kind).noun, "s"),
                      rpc::kReaders, [&](const rpc::Call& call) -> absl::Status {
                        ASSIGN_OR_RETURN(storage::GroupQuery query, QueryOf(kind, request));
                        query.scope_of = call.scoped_principal();
                        const int size = query.limit++;
                        ASSIGN_OR_RETURN(pg::Pool::Lease connection,
                                         backend_.mutator.pool().Acquire());
                        ASSIGN_OR_RETURN(const std::vector<Group> groups,
                                         storage::ListGroups(*connection, kind, query));
                        for (int i = 0; i < size && i < static_cast<int>(groups.size()); ++i) {
                          RETURN_IF_ERROR(ToProto(kind, groups[i], add()));
                        }
                        if (static_cast<int>(groups.size()) > size) {
                          const Group& last = groups[size - 1];
                          response->set_next_page_token(PageToken({last.create_time, last.id}));
                        }
                        return absl::OkStatus();
                      });
  }

  template <typename Request, typename Message>
  grpc::Status Create(Context* context, GroupKind kind, const char* field, const Request& request,
                      const Message& wanted, Message* response) {
    const std::string method = absl::StrCat("FleetService.Create", InfoOf(kind).noun);
    std::string name;
    return ServeChange(context, backend_.mutator,
                       {.method = method.c_str(),
                        .access = rpc::kWriters,
                        .resource = absl::StrCat(InfoOf(kind).collection, "/-"),
                        .request_id = request.request_id(),
                        .request = &request,
                        .made_resource = &name},
                       response,
                       {.check = [&]() -> absl::Status {
                          RETURN_IF_ERROR(CheckRequestId(request.request_id()));
                          return CheckGroupContent(field, wanted.display_name(),
                                                   wanted.description(), wanted.tags());
                        },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          RETURN_IF_ERROR(CheckNewGroup(backend_, connection, kind));
                          ASSIGN_OR_RETURN(
                              const Group group,
                              storage::InsertGroup(connection, kind,
                                                   {.id = NewId(InfoOf(kind).prefix),
                                                    .display_name = wanted.display_name(),
                                                    .description = wanted.description(),
                                                    .tags = TagsToJson(wanted.tags())}));
                          RETURN_IF_ERROR(ToProto(kind, group, response));
                          name = response->name();
                          return absl::OkStatus();
                        }});
  }

  template <typename Request, typename Message>
  grpc::Status Update(Context* context, GroupKind kind, const std::string& field,
                      const Request& request, const Message& wanted, Message* response) {
    const std::string method = absl::StrCat("FleetService.Update", InfoOf(kind).noun);
    return ServeChange(
        context, backend_.mutator,
        {.method = method.c_str(),
         .access = rpc::kWriters,
         .resource = wanted.name(),
         .request_id = request.request_id(),
         .request = &request},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(CheckOptionalRequestId(request.request_id()));
           RETURN_IF_ERROR(IdIn(field + ".name", InfoOf(kind), wanted.name()));
           RETURN_IF_ERROR(CheckMask(*Message::descriptor(), request.update_mask()));
           for (const std::string& path : request.update_mask().paths()) {
             if (path != "display_name" && path != "description" && path != "tags" &&
                 path != "archived") {
               return rpc::FieldError(
                   "update_mask",
                   absl::StrCat(
                       "\"", path,
                       "\": only display_name, description, tags and archived can be set"));
             }
           }
           return absl::OkStatus();
         },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id,
                            IdIn(field + ".name", InfoOf(kind), wanted.name()));
           ASSIGN_OR_RETURN(Group group, storage::LockGroup(connection, kind, id));
           RETURN_IF_ERROR(CheckEtag(wanted.etag(), group.version));
           Message merged;
           RETURN_IF_ERROR(ToProto(kind, group, &merged));
           RETURN_IF_ERROR(MergeByMask(wanted, request.update_mask(), &merged));
           RETURN_IF_ERROR(CheckGroupContent(field, merged.display_name(), merged.description(),
                                             merged.tags()));
           if (merged.archived() != group.archived) {
             RETURN_IF_ERROR(SetMembersArchived(backend_, connection, kind, group,
                                                merged.archived(), call.peer.Principal()));
           }
           group.display_name = merged.display_name();
           group.description = merged.description();
           group.tags = TagsToJson(merged.tags());
           group.archived = merged.archived();
           RETURN_IF_ERROR(storage::SaveGroup(connection, kind, group).status());
           return Show(connection, kind, id, response);
         }});
  }

  grpc::Status Delete(Context* context, GroupKind kind, const pb::DeleteGroupRequest& request,
                      pb::DeleteGroupResponse* response) {
    const std::string method = absl::StrCat("FleetService.Delete", InfoOf(kind).noun);
    return ServeChange(
        context, backend_.mutator,
        {.method = method.c_str(),
         .access = rpc::kWriters,
         .resource = request.name(),
         .request_id = request.request_id(),
         .request = &request},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(CheckOptionalRequestId(request.request_id()));
           return IdIn("name", InfoOf(kind), request.name()).status();
         },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, IdIn("name", InfoOf(kind), request.name()));
           ASSIGN_OR_RETURN(const Group group, storage::LockGroup(connection, kind, id));
           RETURN_IF_ERROR(CheckEtag(request.etag(), group.version));
           ASSIGN_OR_RETURN(const std::vector<std::string> members,
                            storage::MembersOf(connection, kind, id));
           if (!members.empty()) {
             return rpc::WithInfo(
                 absl::FailedPreconditionError(absl::StrCat(
                     request.name(), " still has ", members.size(), " members; take them out")),
                 {.reason = "NOT_EMPTY",
                  .domain = "registry",
                  .metadata = {
                      {"name", request.name()},
                      {"helpful_call", kind == GroupKind::kWave ? "DisassociateApplications"
                                                                : "DisassociateSourceServers"}}});
           }
           return storage::DeleteGroup(connection, kind, id);
         }});
  }

  template <typename Message, typename Change>
  grpc::Status Members(Context* context, GroupKind kind, const char* verb,
                       const pb::AssociateRequest& request, Message* response,
                       const Change& change) {
    const std::string method = absl::StrCat("FleetService.", verb);
    return ServeChange(
        context, backend_.mutator,
        {.method = method.c_str(),
         .access = rpc::kWriters,
         .resource = request.name(),
         .request_id = request.request_id(),
         .request = &request},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(CheckRequestId(request.request_id()));
           RETURN_IF_ERROR(IdIn("name", InfoOf(kind), request.name()));
           return MembersIn(kind, request).status();
         },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, IdIn("name", InfoOf(kind), request.name()));
           ASSIGN_OR_RETURN(const std::vector<std::string> ids, MembersIn(kind, request));
           ASSIGN_OR_RETURN(const Group group, storage::LockGroup(connection, kind, id));
           RETURN_IF_ERROR(change(connection, group, ids, call.peer.Principal()));
           return Show(connection, kind, id, response);
         }});
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeFleetHandler(Backend& backend) {
  return std::make_unique<FleetHandler>(backend);
}

}  // namespace godwit::registry
