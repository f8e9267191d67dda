#include "services/registry/rpc/transfer_convert.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/storage/transfer_folder.h"

namespace godwit::registry {
namespace {

using storage::Transfer;
using storage::TransferKind;

// What both kinds of tasks have.
template <typename Task>
absl::Status FillTask(const Transfer& transfer, Task* out) {
  out->set_name(TransferName(transfer));
  out->set_state(static_cast<pb::ImportTask::State>(transfer.state));
  if (!transfer.bucket.empty()) {
    out->mutable_file()->set_bucket(transfer.bucket);
    out->mutable_file()->set_key(transfer.key);
    out->mutable_file()->set_bucket_owner(transfer.bucket_owner);
  }
  RETURN_IF_ERROR(TagsFromJson(transfer.tags, out->mutable_tags()));
  out->set_principal(transfer.principal);
  SetTime(transfer.create_time, out->mutable_create_time());
  if (transfer.start_time) SetTime(*transfer.start_time, out->mutable_start_time());
  if (transfer.end_time) SetTime(*transfer.end_time, out->mutable_end_time());
  out->set_error_count(transfer.error_count);
  return absl::OkStatus();
}

absl::Status CheckPlace(const std::string& account, const std::string& region) {
  RETURN_IF_ERROR(CheckText("account", account, 0, 64));
  return CheckText("region", region, 0, 64);
}

}  // namespace

std::string TransferName(const Transfer& transfer) {
  return absl::StrCat(transfer.kind == TransferKind::kImport ? "imports/" : "exports/",
                      transfer.id);
}

absl::StatusOr<pb::ImportTask> ToImportTask(const Transfer& transfer) {
  pb::ImportTask out;
  RETURN_IF_ERROR(FillTask(transfer, &out));
  out.set_row_count(transfer.row_count);
  out.set_done_row_count(transfer.done_row_count);
  const storage::TransferCounts& counts = transfer.counts;
  out.mutable_waves()->set_created_count(counts.waves_created);
  out.mutable_waves()->set_modified_count(counts.waves_modified);
  out.mutable_applications()->set_created_count(counts.applications_created);
  out.mutable_applications()->set_modified_count(counts.applications_modified);
  out.mutable_servers()->set_created_count(counts.servers_created);
  out.mutable_servers()->set_modified_count(counts.servers_modified);
  return out;
}

absl::StatusOr<pb::ExportTask> ToExportTask(const Transfer& transfer) {
  pb::ExportTask out;
  RETURN_IF_ERROR(FillTask(transfer, &out));
  out.set_server_count(transfer.counts.servers_created);
  out.set_application_count(transfer.counts.applications_created);
  out.set_wave_count(transfer.counts.waves_created);
  out.set_content_bytes(transfer.content_bytes);
  return out;
}

pb::TransferError ToProto(const storage::TransferError& error) {
  pb::TransferError out;
  SetTime(error.time, out.mutable_time());
  out.set_type(error.processing ? pb::TransferError::PROCESSING_ERROR
                                : pb::TransferError::VALIDATION_ERROR);
  out.set_row_number(error.row_number);
  if (!error.server.empty()) out.set_source_server(absl::StrCat("sourceServers/", error.server));
  if (!error.application.empty()) {
    out.set_application(absl::StrCat("applications/", error.application));
  }
  if (!error.wave.empty()) out.set_wave(absl::StrCat("waves/", error.wave));
  out.set_message(error.message);
  return out;
}

absl::StatusOr<std::string> TransferId(TransferKind kind, absl::string_view field,
                                       absl::string_view name) {
  absl::StatusOr<std::string> id = kind == TransferKind::kImport
                                       ? ParseName(field, "imports", "import-", name)
                                       : ParseName(field, "exports", "export-", name);
  if (!id.ok()) return rpc::FieldError(field, id.status().message());
  return id;
}

absl::Status CheckTransferFile(const pb::TransferFile& file) {
  const absl::Status path = storage::TransferPath(file.bucket(), file.key()).status();
  if (!path.ok()) {
    absl::string_view text = path.message();
    const bool bucket = absl::ConsumePrefix(&text, "bucket: ");
    if (!bucket) absl::ConsumePrefix(&text, "key: ");
    return rpc::FieldError(bucket ? "file.bucket" : "file.key", text);
  }
  return CheckText("file.bucket_owner", file.bucket_owner(), 0, 12);
}

absl::Status CheckStartImport(const pb::StartImportRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  RETURN_IF_ERROR(CheckTags("tags", request.tags()));
  RETURN_IF_ERROR(CheckPlace(request.account(), request.region()));
  if (request.has_file()) return CheckTransferFile(request.file());
  if (request.content().empty()) return rpc::FieldError("content", "is empty");
  if (request.content().size() <= kMostContent) return absl::OkStatus();
  return rpc::FieldError(
      "content", absl::StrCat("has ", request.content().size(), " bytes; at most ", kMostContent,
                              ": split it, each part with the heading"));
}

absl::Status CheckStartExport(const pb::StartExportRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  RETURN_IF_ERROR(CheckTags("tags", request.tags()));
  RETURN_IF_ERROR(CheckPlace(request.account(), request.region()));
  return request.has_file() ? CheckTransferFile(request.file()) : absl::OkStatus();
}

}  // namespace godwit::registry
