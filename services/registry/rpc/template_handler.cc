#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/settings.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/settings_rules.h"
#include "services/registry/rpc/template_names.h"
#include "services/registry/storage/template_store.h"
#include "services/registry/storage/token_store.h"

namespace godwit::registry {
namespace {

absl::Status CheckContent(const pb::SettingsTemplate& content) {
  RETURN_IF_ERROR(CheckReplicationSettings("template.replication", content.replication()));
  RETURN_IF_ERROR(CheckLaunchSettings("template.launch", content.launch()));
  RETURN_IF_ERROR(CheckTags("template.tags", content.tags()));
  RETURN_IF_ERROR(CheckTags("template.replication_tags", content.replication_tags()));
  return CheckTags("template.launch_tags", content.launch_tags());
}

absl::StatusOr<pb::SettingsTemplate> FromRow(const storage::Template& row) {
  pb::SettingsTemplate out;
  out.set_name(TemplateName(row.id));
  RETURN_IF_ERROR(FromJson(row.replication, out.mutable_replication()));
  RETURN_IF_ERROR(FromJson(row.launch, out.mutable_launch()));
  RETURN_IF_ERROR(TagsFromJson(row.tags, out.mutable_tags()));
  RETURN_IF_ERROR(TagsFromJson(row.replication_tags, out.mutable_replication_tags()));
  RETURN_IF_ERROR(TagsFromJson(row.launch_tags, out.mutable_launch_tags()));
  out.set_etag(Etag(row.version));
  return out;
}

absl::StatusOr<storage::Template> ToRow(const std::string& id, const pb::SettingsTemplate& from) {
  storage::Template row{.id = id};
  ASSIGN_OR_RETURN(row.replication, ToJson(from.replication()));
  ASSIGN_OR_RETURN(row.launch, ToJson(from.launch()));
  row.tags = TagsToJson(from.tags());
  row.replication_tags = TagsToJson(from.replication_tags());
  row.launch_tags = TagsToJson(from.launch_tags());
  return row;
}

class TemplateHandler final : public pb::SettingsTemplateService::Service {
 public:
  explicit TemplateHandler(Backend& backend) : backend_(backend) {}

  grpc::Status GetSettingsTemplate(grpc::ServerContext* context,
                                   const pb::GetSettingsTemplateRequest* request,
                                   pb::SettingsTemplate* response) override {
    return rpc::Serve(
        context, "SettingsTemplateService.GetSettingsTemplate", rpc::kReaders,
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string id, TemplateId("name", request->name()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const storage::Template row, storage::GetTemplate(*connection, id));
          ASSIGN_OR_RETURN(*response, FromRow(row));
          return absl::OkStatus();
        });
  }

  grpc::Status ListSettingsTemplates(grpc::ServerContext* context,
                                     const pb::ListSettingsTemplatesRequest* request,
                                     pb::ListSettingsTemplatesResponse* response) override {
    return rpc::Serve(
        context, "SettingsTemplateService.ListSettingsTemplates", rpc::kReaders,
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request->page_token()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const std::vector<storage::Template> rows,
                           storage::ListTemplates(*connection, after.id, size + 1));
          for (int i = 0; i < size && i < static_cast<int>(rows.size()); ++i) {
            ASSIGN_OR_RETURN(*response->add_templates(), FromRow(rows[i]));
          }
          if (static_cast<int>(rows.size()) > size) {
            response->set_next_page_token(PageToken({absl::UnixEpoch(), rows[size - 1].id}));
          }
          return absl::OkStatus();
        });
  }

  grpc::Status CreateSettingsTemplate(grpc::ServerContext* context,
                                      const pb::CreateSettingsTemplateRequest* request,
                                      pb::SettingsTemplate* response) override {
    return ServeChange(context, backend_.mutator,
                       {.method = "SettingsTemplateService.CreateSettingsTemplate",
                        .access = rpc::kAdmins,
                        .resource = absl::StrCat("settingsTemplates/", request->template_id()),
                        .request_id = request->request_id(),
                        .request = request},
                       response,
                       {.check = [&]() -> absl::Status {
                          RETURN_IF_ERROR(CheckRequestId(request->request_id()));
                          RETURN_IF_ERROR(CheckTemplateId("template_id", request->template_id()));
                          if (!request->has_template_())
                            return rpc::FieldError("template", "is required");
                          return CheckContent(request->template_());
                        },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          ASSIGN_OR_RETURN(const storage::Template wanted,
                                           ToRow(request->template_id(), request->template_()));
                          const absl::StatusOr<storage::Template> row =
                              storage::InsertTemplate(connection, wanted);
                          if (absl::IsAlreadyExists(row.status())) {
                            return absl::AlreadyExistsError(absl::StrCat(
                                "template_id: settingsTemplates/", wanted.id, " exists"));
                          }
                          RETURN_IF_ERROR(row);
                          ASSIGN_OR_RETURN(*response, FromRow(*row));
                          return absl::OkStatus();
                        }});
  }

  grpc::Status UpdateSettingsTemplate(grpc::ServerContext* context,
                                      const pb::UpdateSettingsTemplateRequest* request,
                                      pb::SettingsTemplate* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "SettingsTemplateService.UpdateSettingsTemplate",
         .access = rpc::kAdmins,
         .resource = request->template_().name(),
         .request = request},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(TemplateId("template.name", request->template_().name()));
           RETURN_IF_ERROR(CheckMask(*pb::SettingsTemplate::descriptor(), request->update_mask()));
           for (const std::string& path : request->update_mask().paths()) {
             if (path == "name" || path == "etag") {
               return rpc::FieldError("update_mask",
                                      absl::StrCat("\"", path, "\" is not settable"));
             }
           }
           return CheckContent(request->template_());
         },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id,
                            TemplateId("template.name", request->template_().name()));
           ASSIGN_OR_RETURN(const storage::Template row, storage::LockTemplate(connection, id));
           RETURN_IF_ERROR(CheckEtag(request->template_().etag(), row.version));
           ASSIGN_OR_RETURN(pb::SettingsTemplate merged, FromRow(row));
           RETURN_IF_ERROR(MergeByMask(request->template_(), request->update_mask(), &merged));
           ASSIGN_OR_RETURN(const storage::Template wanted, ToRow(id, merged));
           ASSIGN_OR_RETURN(const storage::Template saved,
                            storage::SaveTemplate(connection, wanted));
           ASSIGN_OR_RETURN(*response, FromRow(saved));
           return absl::OkStatus();
         }});
  }

  grpc::Status DeleteSettingsTemplate(grpc::ServerContext* context,
                                      const pb::DeleteSettingsTemplateRequest* request,
                                      pb::DeleteSettingsTemplateResponse* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "SettingsTemplateService.DeleteSettingsTemplate",
         .access = rpc::kAdmins,
         .resource = request->name(),
         .request = request},
        response,
        {.check = [&] { return TemplateId("name", request->name()).status(); },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, TemplateId("name", request->name()));
           if (id == storage::kDefaultTemplate) {
             return rpc::WithInfo(
                 absl::FailedPreconditionError("name: the default template cannot go"),
                 {.reason = "DEFAULT_TEMPLATE",
                  .domain = "registry",
                  .metadata = {{"helpful_call", "UpdateSettingsTemplate"}}});
           }
           // A token that is being made locks it too, and is then found here.
           RETURN_IF_ERROR(storage::LockTemplate(connection, id));
           RETURN_IF_ERROR(CheckNoToken(connection, id));
           return storage::DeleteTemplate(connection, id);
         }});
  }

 private:
  absl::Status CheckNoToken(pg::Connection& connection, const std::string& id) {
    ASSIGN_OR_RETURN(const std::optional<std::string> token,
                     storage::LiveTokenOfTemplate(connection, id, backend_.clock.Now()));
    if (!token) return absl::OkStatus();
    const std::string name = absl::StrCat("tokens/", *token);
    return rpc::WithInfo(absl::FailedPreconditionError(absl::StrCat(
                             "name: agents that enrol with ", name, " get ", TemplateName(id),
                             "; revoke that token first, or wait until it has expired")),
                         {.reason = "TEMPLATE_IN_USE",
                          .domain = "registry",
                          .metadata = {{"token", name}, {"helpful_call", "RevokeToken"}}});
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeTemplateHandler(Backend& backend) {
  return std::make_unique<TemplateHandler>(backend);
}

}  // namespace godwit::registry
