#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/connector_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/field_rules.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/settings_rules.h"
#include "services/registry/storage/connector_store.h"

namespace godwit::registry {
namespace {

using Context = grpc::ServerContext;

constexpr int kMostConnectors = 50;  // as MGN
constexpr int kMostNames = 50;

absl::StatusOr<std::string> ConnectorId(absl::string_view field, absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName(field, "connectors", "connector-", name);
  if (!id.ok()) return rpc::FieldError(field, id.status().message());
  return id;
}

absl::Status CheckLetters(const std::string& field, const std::string& text, std::size_t least,
                          std::size_t most, absl::string_view besides) {
  RETURN_IF_ERROR(CheckText(field, text, least, most));
  for (const char c : text) {
    if (absl::ascii_isalnum(c) || besides.find(c) != besides.npos) continue;
    return rpc::FieldError(field, absl::StrCat("may have letters, digits and ", besides, " only"));
  }
  return absl::OkStatus();
}

absl::Status CheckContent(const pb::Connector& connector) {
  RETURN_IF_ERROR(CheckLetters("connector.display_name", connector.display_name(), 1, 256, "-_"));
  const pb::ConnectorCommandConfig& config = connector.command_config();
  const std::string prefix = "connector.command_config.";
  RETURN_IF_ERROR(CheckLetters(prefix + "output_s3_bucket_name", config.output_s3_bucket_name(), 0,
                               255, ".-_"));
  RETURN_IF_ERROR(CheckLetters(prefix + "cloud_watch_log_group_name",
                               config.cloud_watch_log_group_name(), 0, 512, ".-_/#"));
  return CheckTags("connector.tags", connector.tags());
}

absl::Status CheckUpdate(const pb::UpdateConnectorRequest& request) {
  RETURN_IF_ERROR(ConnectorId("connector.name", request.connector().name()));
  RETURN_IF_ERROR(CheckMask(*pb::Connector::descriptor(), request.update_mask()));
  for (const std::string& path : request.update_mask().paths()) {
    if (path != "display_name" && path != "command_config" && path != "tags") {
      return rpc::FieldError(
          "update_mask",
          absl::StrCat("\"", path, "\": only display_name, command_config and tags can be set"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<pb::Connector> ToProto(const storage::Connector& connector) {
  pb::Connector out;
  out.set_name(absl::StrCat("connectors/", connector.id));
  out.set_display_name(connector.display_name);
  out.set_instance_id(connector.instance_id);
  if (!connector.command_config.empty()) {
    RETURN_IF_ERROR(FromJson(connector.command_config, out.mutable_command_config()));
  }
  RETURN_IF_ERROR(TagsFromJson(connector.tags, out.mutable_tags()));
  SetTime(connector.create_time, out.mutable_create_time());
  out.set_etag(Etag(connector.version));
  return out;
}

// What can be set.
absl::Status Fill(const pb::Connector& wanted, storage::Connector* connector) {
  connector->display_name = wanted.display_name();
  connector->tags = TagsToJson(wanted.tags());
  connector->command_config.clear();
  if (!wanted.has_command_config()) return absl::OkStatus();
  ASSIGN_OR_RETURN(connector->command_config, ToJson(wanted.command_config()));
  return absl::OkStatus();
}

class ConnectorHandler final : public pb::ConnectorService::Service {
 public:
  explicit ConnectorHandler(Backend& backend) : backend_(backend) {}

  grpc::Status CreateConnector(Context* context, const pb::CreateConnectorRequest* request,
                               pb::Connector* response) override {
    std::string name;
    return ServeChange(
        context, backend_.mutator,
        {.method = "ConnectorService.CreateConnector",
         .resource = "connectors/-",
         .request_id = request->request_id(),
         .request = request,
         .made_resource = &name},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(CheckRequestId(request->request_id()));
           RETURN_IF_ERROR(
               CheckText("connector.instance_id", request->connector().instance_id(), 19, 20));
           return CheckContent(request->connector());
         },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           storage::Connector made{.id = NewId("connector-"),
                                   .instance_id = request->connector().instance_id()};
           RETURN_IF_ERROR(Fill(request->connector(), &made));
           const absl::StatusOr<storage::Connector> kept =
               storage::InsertConnector(connection, made, kMostConnectors);
           if (absl::IsResourceExhausted(kept.status())) {
             return rpc::WithInfo(kept.status(),
                                  {.reason = "CONNECTOR_QUOTA",
                                   .domain = "registry",
                                   .metadata = {{"limit", absl::StrCat(kMostConnectors)}}});
           }
           RETURN_IF_ERROR(kept);
           ASSIGN_OR_RETURN(*response, ToProto(*kept));
           name = response->name();
           return absl::OkStatus();
         }});
  }

  grpc::Status GetConnector(Context* context, const pb::GetConnectorRequest* request,
                            pb::Connector* response) override {
    return rpc::Serve(
        context, "ConnectorService.GetConnector", [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string id, ConnectorId("name", request->name()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const storage::Connector found, storage::GetConnector(*connection, id));
          ASSIGN_OR_RETURN(*response, ToProto(found));
          return absl::OkStatus();
        });
  }

  grpc::Status ListConnectors(Context* context, const pb::ListConnectorsRequest* request,
                              pb::ListConnectorsResponse* response) override {
    return rpc::Serve(context, "ConnectorService.ListConnectors",
                      [&](const rpc::Call&) { return List(*request, response); });
  }

  grpc::Status UpdateConnector(Context* context, const pb::UpdateConnectorRequest* request,
                               pb::Connector* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "ConnectorService.UpdateConnector",
         .resource = request->connector().name(),
         .request = request},
        response,
        {.check = [&] { return CheckUpdate(*request); },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id,
                            ConnectorId("connector.name", request->connector().name()));
           ASSIGN_OR_RETURN(storage::Connector kept, storage::LockConnector(connection, id));
           RETURN_IF_ERROR(CheckEtag(request->connector().etag(), kept.version));
           ASSIGN_OR_RETURN(pb::Connector merged, ToProto(kept));
           RETURN_IF_ERROR(MergeByMask(request->connector(), request->update_mask(), &merged));
           RETURN_IF_ERROR(CheckContent(merged));
           RETURN_IF_ERROR(Fill(merged, &kept));
           ASSIGN_OR_RETURN(kept, storage::SaveConnector(connection, kept));
           ASSIGN_OR_RETURN(*response, ToProto(kept));
           return absl::OkStatus();
         }});
  }

  grpc::Status DeleteConnector(Context* context, const pb::DeleteConnectorRequest* request,
                               pb::DeleteConnectorResponse* response) override {
    return ServeChange(context, backend_.mutator,
                       {.method = "ConnectorService.DeleteConnector",
                        .resource = request->name(),
                        .request = request},
                       response,
                       {.check = [&] { return ConnectorId("name", request->name()).status(); },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          ASSIGN_OR_RETURN(const std::string id,
                                           ConnectorId("name", request->name()));
                          return storage::DeleteConnector(connection, id);
                        }});
  }

 private:
  absl::Status List(const pb::ListConnectorsRequest& request,
                    pb::ListConnectorsResponse* response) {
    ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
    ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request.page_token()));
    RETURN_IF_ERROR(CheckCount("names", request.names_size(), kMostNames));
    storage::ConnectorQuery query{
        .after_time = after.time, .after_id = after.id, .limit = size + 1};
    for (int i = 0; i < request.names_size(); ++i) {
      ASSIGN_OR_RETURN(const std::string id,
                       ConnectorId(absl::StrCat("names[", i, "]"), request.names(i)));
      query.ids.push_back(id);
    }
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
    ASSIGN_OR_RETURN(const std::vector<storage::Connector> found,
                     storage::ListConnectors(*connection, query));
    for (int i = 0; i < size && i < static_cast<int>(found.size()); ++i) {
      ASSIGN_OR_RETURN(*response->add_connectors(), ToProto(found[i]));
    }
    if (static_cast<int>(found.size()) > size) {
      response->set_next_page_token(PageToken({found[size - 1].create_time, found[size - 1].id}));
    }
    return absl::OkStatus();
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeConnectorHandler(Backend& backend) {
  return std::make_unique<ConnectorHandler>(backend);
}

}  // namespace godwit::registry
