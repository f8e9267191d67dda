// Import and export of the inventory. A bucket is a folder of the registry's transfer folder.
#include <functional>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/transfer_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/paged_list.h"
#include "services/gateway/mgn/rpc/tag_holders.h"
#include "services/gateway/mgn/rpc/transfer_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;
using Stub = pb::TransferService::Stub;

auto Connect(const Call& call) { return pb::TransferService::NewStub(call.services().registry); }

// What both kinds begin with. `file` has s3Bucket, s3Key and perhaps s3BucketOwner.
template <typename Request>
void FillStart(const Call& call, const json& input, const json& file, Request* request) {
  // A token of the client stands for the request as long as it is known.
  const std::string token = input.value("clientToken", "");
  request->set_request_id(
      token.empty() ? call.ChangeId()
                    : UuidOf(absl::StrCat(call.asker().principal, "\n", call.operation().name,
                                          "\nclientToken\n", token)));
  request->mutable_file()->set_bucket(file["s3Bucket"].get<std::string>());
  request->mutable_file()->set_key(file["s3Key"].get<std::string>());
  request->mutable_file()->set_bucket_owner(file.value("s3BucketOwner", ""));
  FillTags(input, request->mutable_tags());
  request->set_account(call.place().account);
  request->set_region(call.place().region);
}

absl::StatusOr<json> StartImport(const Call& call, const json& input) {
  pb::StartImportRequest request;
  FillStart(call, input, input["s3BucketSource"], &request);
  ASSIGN_OR_RETURN(const pb::ImportTask task, call.Ask(Connect(call), &Stub::StartImport, request));
  return json{{"importTask", ImportTaskJson(task, call.place())}};
}

absl::StatusOr<json> StartExport(const Call& call, const json& input) {
  pb::StartExportRequest request;
  FillStart(call, input, input, &request);
  ASSIGN_OR_RETURN(const pb::ExportTask task, call.Ask(Connect(call), &Stub::StartExport, request));
  return json{{"exportTask", ExportTaskJson(task, call.place())}};
}

absl::StatusOr<json> ListImports(const Call& call, const json& input) {
  pb::ListTransfersRequest request;
  ASSIGN_OR_RETURN(const bool any,
                   FillListRequest(call, input, "importIDs", "imports", "import-", &request));
  pb::ListImportsResponse found;
  if (any) {
    ASSIGN_OR_RETURN(found, call.Ask(Connect(call), &Stub::ListImports, request));
  }
  json items = json::array();
  for (const pb::ImportTask& task : found.imports()) {
    items.push_back(ImportTaskJson(task, call.place()));
  }
  return PageOf(call, input, std::move(items), found.next_page_token());
}

absl::StatusOr<json> ListExports(const Call& call, const json& input) {
  pb::ListTransfersRequest request;
  ASSIGN_OR_RETURN(const bool any,
                   FillListRequest(call, input, "exportIDs", "exports", "export-", &request));
  pb::ListExportsResponse found;
  if (any) {
    ASSIGN_OR_RETURN(found, call.Ask(Connect(call), &Stub::ListExports, request));
  }
  json items = json::array();
  for (const pb::ExportTask& task : found.exports()) {
    items.push_back(ExportTaskJson(task, call.place()));
  }
  return PageOf(call, input, std::move(items), found.next_page_token());
}

using ErrorList = grpc::Status (Stub::*)(grpc::ClientContext*, const pb::ListTransferErrorsRequest&,
                                         pb::ListTransferErrorsResponse*);

// Pages are of one task: its id stands for the filter in the token.
OperationFunction ErrorsOf(const char* member, const char* collection, const char* prefix,
                           ErrorList list, json (*show)(const pb::TransferError&)) {
  return [=](const Call& call, const json& input) -> absl::StatusOr<json> {
    const std::string id = input[member];
    pb::ListTransferErrorsRequest request;
    request.set_name(absl::StrCat(collection, "/", id));
    if (!CheckId(member, prefix, id).ok()) {
      return absl::NotFoundError(absl::StrCat("there is no ", request.name()));
    }
    ASSIGN_OR_RETURN(*request.mutable_page_token(),
                     ParsePageToken(call.operation().name, id, input.value("nextToken", "")));
    request.set_page_size(
        std::min(kMostOfRegistryPage, input.value("maxResults", kDefaultListPage)));
    ASSIGN_OR_RETURN(const pb::ListTransferErrorsResponse found,
                     call.Ask(Connect(call), list, request));
    json page = {{"items", json::array()}};
    for (const pb::TransferError& error : found.errors()) page["items"].push_back(show(error));
    const std::string next = PageToken(call.operation().name, id, found.next_page_token());
    if (!next.empty()) page["nextToken"] = next;
    return page;
  };
}

// Tags of a task are those that it was started with.
template <typename Task>
TagHolder TaskTags(const char* type, const char* collection, const char* prefix,
                   grpc::Status (Stub::*get)(grpc::ClientContext*, const pb::GetTransferRequest&,
                                             Task*)) {
  return {.type = type,
          .read = [=](const Call& call, const std::string& id) -> absl::StatusOr<Tags> {
            pb::GetTransferRequest request;
            request.set_name(absl::StrCat(collection, "/", id));
            if (!CheckId(type, prefix, id).ok()) {
              return absl::NotFoundError(absl::StrCat("there is no ", request.name()));
            }
            ASSIGN_OR_RETURN(const Task task, call.Ask(Connect(call), get, request));
            return task.tags();
          },
          .change =
              [=](const Call&, const std::string&, const std::function<void(Tags&)>&) {
                return absl::FailedPreconditionError(
                    absl::StrCat("tags of an ", type, " are set when it is started"));
              }};
}

}  // namespace

TagHolder ImportTags() {
  return TaskTags<pb::ImportTask>("import", "imports", "import-", &Stub::GetImport);
}
TagHolder ExportTags() {
  return TaskTags<pb::ExportTask>("export", "exports", "export-", &Stub::GetExport);
}

OperationList TransferCalls() {
  return {{"StartImport", StartImport},
          {"ListImports", ListImports},
          {"ListImportErrors",
           ErrorsOf("importID", "imports", "import-", &Stub::ListImportErrors, ImportErrorJson)},
          {"StartExport", StartExport},
          {"ListExports", ListExports},
          {"ListExportErrors",
           ErrorsOf("exportID", "exports", "export-", &Stub::ListExportErrors, ExportErrorJson)}};
}

}  // namespace godwit::gateway::mgn
