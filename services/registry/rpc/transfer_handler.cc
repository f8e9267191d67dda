#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/transfer_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/domain/csv.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/field_rules.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/transfer_convert.h"
#include "services/registry/rpc/transfer_runner.h"

namespace godwit::registry {
namespace {

using Context = grpc::ServerContext;
using storage::Transfer;
using storage::TransferKind;
using storage::TransferState;

constexpr int kMostUnfinished = 10;  // of each kind
constexpr int kMostNames = 50;
constexpr std::int64_t kPiece = std::int64_t{1} << 20;

absl::Status FillTask(const Transfer& transfer, pb::ImportTask* out) {
  ASSIGN_OR_RETURN(*out, ToImportTask(transfer));
  return absl::OkStatus();
}
absl::Status FillTask(const Transfer& transfer, pb::ExportTask* out) {
  ASSIGN_OR_RETURN(*out, ToExportTask(transfer));
  return absl::OkStatus();
}

class TransferHandler final : public pb::TransferService::Service {
 public:
  TransferHandler(Backend& backend, const storage::TransferFolder& folder, TransferRunner& runner)
      : backend_(backend), folder_(folder), runner_(runner) {}

  grpc::Status StartImport(Context* context, const pb::StartImportRequest* request,
                           pb::ImportTask* response) override {
    return Start(context, TransferKind::kImport, "TransferService.StartImport", *request, response,
                 [request] { return CheckStartImport(*request); });
  }
  grpc::Status StartExport(Context* context, const pb::StartExportRequest* request,
                           pb::ExportTask* response) override {
    return Start(context, TransferKind::kExport, "TransferService.StartExport", *request, response,
                 [request] { return CheckStartExport(*request); });
  }
  grpc::Status GetImport(Context* context, const pb::GetTransferRequest* request,
                         pb::ImportTask* response) override {
    return Get(context, TransferKind::kImport, "TransferService.GetImport", *request, response);
  }
  grpc::Status GetExport(Context* context, const pb::GetTransferRequest* request,
                         pb::ExportTask* response) override {
    return Get(context, TransferKind::kExport, "TransferService.GetExport", *request, response);
  }
  grpc::Status ListImports(Context* context, const pb::ListTransfersRequest* request,
                           pb::ListImportsResponse* response) override {
    return List(context, TransferKind::kImport, "TransferService.ListImports", *request, response,
                [response] { return response->add_imports(); });
  }
  grpc::Status ListExports(Context* context, const pb::ListTransfersRequest* request,
                           pb::ListExportsResponse* response) override {
    return List(context, TransferKind::kExport, "TransferService.ListExports", *request, response,
                [response] { return response->add_exports(); });
  }
  grpc::Status ListImportErrors(Context* context, const pb::ListTransferErrorsRequest* request,
                                pb::ListTransferErrorsResponse* response) override {
    return ListErrors(context, TransferKind::kImport, "TransferService.ListImportErrors", *request,
                      response);
  }
  grpc::Status ListExportErrors(Context* context, const pb::ListTransferErrorsRequest* request,
                                pb::ListTransferErrorsResponse* response) override {
    return ListErrors(context, TransferKind::kExport, "TransferService.ListExportErrors", *request,
                      response);
  }

  grpc::Status GetExportContent(Context* context, const pb::GetExportContentRequest* request,
                                pb::ExportContent* response) override {
    return rpc::Serve(
        context, "TransferService.GetExportContent", [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string id,
                           TransferId(TransferKind::kExport, "name", request->name()));
          RETURN_IF_ERROR(CheckRange("offset", request->offset(), 0, std::int64_t{1} << 30));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const Transfer transfer,
                           storage::GetTransfer(*connection, TransferKind::kExport, id));
          if (transfer.state != TransferState::kSucceeded) {
            return rpc::WithInfo(
                absl::FailedPreconditionError(absl::StrCat(request->name(), " has not succeeded")),
                {.reason = "EXPORT_NOT_READY",
                 .domain = "registry",
                 .metadata = {{"helpful_call", "GetExport"}}});
          }
          ASSIGN_OR_RETURN(*response->mutable_content(),
                           storage::ReadContent(*connection, id, request->offset(), kPiece));
          return absl::OkStatus();
        });
  }

 private:
  // What is to be kept of a request, with the file of an import in `content`.
  absl::Status Prepare(const pb::StartImportRequest& request, Transfer*, std::string* content) {
    *content = request.content();
    if (!request.has_file()) return absl::OkStatus();
    const absl::StatusOr<std::string> read =
        folder_.Read(request.file().bucket(), request.file().key(), CsvLimits().bytes);
    if (absl::IsOutOfRange(read.status())) {
      return rpc::FieldError("file", read.status().message());
    }
    RETURN_IF_ERROR(read);
    if (read->empty()) return rpc::FieldError("file", "is empty");
    *content = *read;
    return absl::OkStatus();
  }
  absl::Status Prepare(const pb::StartExportRequest& request, Transfer* transfer, std::string*) {
    transfer->without_ids = request.without_ids();
    return request.has_file() ? folder_.CheckBucket(request.file().bucket()) : absl::OkStatus();
  }

  template <typename Request, typename Task>
  grpc::Status Start(Context* context, TransferKind kind, const char* method,
                     const Request& request, Task* response,
                     const std::function<absl::Status()>& check) {
    std::string name;
    return ServeChange(
        context, backend_.mutator,
        {.method = method,
         .resource = kind == TransferKind::kImport ? "imports/-" : "exports/-",
         .request_id = request.request_id(),
         .request = &request,
         .made_resource = &name},
        response,
        {.check = check,
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           Transfer wanted{.id = NewId(kind == TransferKind::kImport ? "import-" : "export-"),
                           .kind = kind,
                           .principal = call.peer.Principal(),
                           .bucket = request.file().bucket(),
                           .key = request.file().key(),
                           .bucket_owner = request.file().bucket_owner(),
                           .account = request.account(),
                           .region = request.region(),
                           .tags = TagsToJson(request.tags())};
           std::string content;
           RETURN_IF_ERROR(Prepare(request, &wanted, &content));
           const absl::StatusOr<Transfer> made =
               storage::InsertTransfer(connection, wanted, content, kMostUnfinished);
           if (absl::IsResourceExhausted(made.status())) {
             return rpc::WithInfo(made.status(),
                                  {.reason = "TRANSFER_QUOTA",
                                   .domain = "registry",
                                   .metadata = {{"limit", absl::StrCat(kMostUnfinished)}}});
           }
           RETURN_IF_ERROR(made);
           name = TransferName(*made);
           return FillTask(*made, response);
         },
         .after = [&](const rpc::Call&, bool replayed) -> absl::Status {
           runner_.Wake();
           if (!replayed) return absl::OkStatus();
           // As it is now, when it is still known.
           ASSIGN_OR_RETURN(const std::string id, TransferId(kind, "name", response->name()));
           ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
           const absl::StatusOr<Transfer> now = storage::GetTransfer(*connection, kind, id);
           return now.ok() ? FillTask(*now, response) : absl::OkStatus();
         }});
  }

  template <typename Task>
  grpc::Status Get(Context* context, TransferKind kind, const char* method,
                   const pb::GetTransferRequest& request, Task* response) {
    return rpc::Serve(context, method, [&](const rpc::Call&) -> absl::Status {
      ASSIGN_OR_RETURN(const std::string id, TransferId(kind, "name", request.name()));
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
      ASSIGN_OR_RETURN(const Transfer found, storage::GetTransfer(*connection, kind, id));
      return FillTask(found, response);
    });
  }

  template <typename Response, typename Add>
  grpc::Status List(Context* context, TransferKind kind, const char* method,
                    const pb::ListTransfersRequest& request, Response* response, const Add& add) {
    return rpc::Serve(context, method, [&](const rpc::Call&) -> absl::Status {
      ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
      ASSIGN_OR_RETURN(const PageKey before, ParsePageToken(request.page_token()));
      RETURN_IF_ERROR(CheckCount("names", request.names_size(), kMostNames));
      storage::TransferQuery query{
          .kind = kind, .before_time = before.time, .before_id = before.id, .limit = size + 1};
      for (int i = 0; i < request.names_size(); ++i) {
        ASSIGN_OR_RETURN(const std::string id,
                         TransferId(kind, absl::StrCat("names[", i, "]"), request.names(i)));
        query.ids.push_back(id);
      }
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
      ASSIGN_OR_RETURN(const std::vector<Transfer> found,
                       storage::ListTransfers(*connection, query));
      for (int i = 0; i < size && i < static_cast<int>(found.size()); ++i) {
        RETURN_IF_ERROR(FillTask(found[i], add()));
      }
      if (static_cast<int>(found.size()) > size) {
        response->set_next_page_token(PageToken({found[size - 1].create_time, found[size - 1].id}));
      }
      return absl::OkStatus();
    });
  }

  grpc::Status ListErrors(Context* context, TransferKind kind, const char* method,
                          const pb::ListTransferErrorsRequest& request,
                          pb::ListTransferErrorsResponse* response) {
    return rpc::Serve(context, method, [&](const rpc::Call&) -> absl::Status {
      ASSIGN_OR_RETURN(const std::string id, TransferId(kind, "name", request.name()));
      ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
      ASSIGN_OR_RETURN(const std::int64_t after, ParseNumberToken(request.page_token()));
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
      RETURN_IF_ERROR(storage::GetTransfer(*connection, kind, id));
      ASSIGN_OR_RETURN(const std::vector<storage::TransferError> found,
                       storage::ListTransferErrors(*connection, id, after, size + 1));
      for (int i = 0; i < size && i < static_cast<int>(found.size()); ++i) {
        *response->add_errors() = ToProto(found[i]);
      }
      if (static_cast<int>(found.size()) > size) {
        response->set_next_page_token(NumberToken(found[size - 1].sequence));
      }
      return absl::OkStatus();
    });
  }

  Backend& backend_;
  const storage::TransferFolder& folder_;
  TransferRunner& runner_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeTransferHandler(Backend& backend,
                                                   const storage::TransferFolder& folder,
                                                   TransferRunner& runner) {
  return std::make_unique<TransferHandler>(backend, folder, runner);
}

}  // namespace godwit::registry
