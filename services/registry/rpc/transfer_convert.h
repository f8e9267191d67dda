// Between the messages of TransferService and what is kept; the checks of their fields.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "godwit/registry/v1/transfer_service.pb.h"
#include "services/registry/storage/transfer_store.h"

namespace godwit::registry {

absl::StatusOr<godwit::registry::v1::ImportTask> ToImportTask(const storage::Transfer& transfer);
absl::StatusOr<godwit::registry::v1::ExportTask> ToExportTask(const storage::Transfer& transfer);
godwit::registry::v1::TransferError ToProto(const storage::TransferError& error);

// "imports/import-..." or "exports/export-...".
std::string TransferName(const storage::Transfer& transfer);
absl::StatusOr<std::string> TransferId(storage::TransferKind kind, absl::string_view field,
                                       absl::string_view name);

absl::Status CheckTransferFile(const godwit::registry::v1::TransferFile& file);
absl::Status CheckStartImport(const godwit::registry::v1::StartImportRequest& request);
absl::Status CheckStartExport(const godwit::registry::v1::StartExportRequest& request);

inline constexpr std::size_t kMostContent = 4'000'000;  // of a request

}  // namespace godwit::registry
