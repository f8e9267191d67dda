// Imports and exports of the inventory in PostgreSQL. Functions work on the connection of the
// caller's transaction. Work on a transfer is fenced by its generation: who takes it over makes a
// new one, and what the one before writes then fails with ABORTED.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

enum class TransferKind { kImport = 1, kExport = 2 };
// Numbers are stored and equal those of registry.v1.ImportTask.State.
enum class TransferState { kPending = 1, kStarted = 2, kFailed = 3, kSucceeded = 4 };

struct TransferCounts {
  std::int64_t waves_created = 0, waves_modified = 0;
  std::int64_t applications_created = 0, applications_modified = 0;
  std::int64_t servers_created = 0, servers_modified = 0;
};

struct Transfer {
  std::string id;  // "import-..." or "export-..."
  TransferKind kind = TransferKind::kImport;
  TransferState state = TransferState::kPending;
  std::string principal;
  std::string bucket, key, bucket_owner;  // empty: no file of the transfer folder
  std::string account, region;
  bool without_ids = false;
  std::string tags = "{}";  // JSON document
  std::int64_t row_count = 0, done_row_count = 0, error_count = 0;
  TransferCounts counts;  // of exports what the file holds, as created
  std::int64_t content_bytes = 0;
  std::int64_t generation = 0;
  absl::Time create_time;
  std::optional<absl::Time> start_time, end_time;
};

// PENDING, with the file of an import as `content`. RESOURCE_EXHAUSTED "..." when `most_unfinished`
// of its kind have not ended.
absl::StatusOr<Transfer> InsertTransfer(pg::Connection& connection, const Transfer& transfer,
                                        const std::string& content, int most_unfinished);
// NOT_FOUND "imports/import-...".
absl::StatusOr<Transfer> GetTransfer(pg::Connection& connection, TransferKind kind,
                                     const std::string& id);

struct TransferQuery {
  TransferKind kind = TransferKind::kImport;
  std::vector<std::string> ids;  // empty: all
  absl::Time before_time;
  std::string before_id;  // empty: from the newest
  int limit = 50;
};
// Newest first.
absl::StatusOr<std::vector<Transfer>> ListTransfers(pg::Connection& connection,
                                                    const TransferQuery& query);

// The oldest one of its kind that waits, or whose worker let its lease end: STARTED, with a new
// generation, leased for `lease`.
absl::StatusOr<std::optional<Transfer>> ClaimTransfer(pg::Connection& connection, TransferKind kind,
                                                      absl::Duration lease);
// At most `most` bytes of its file; empty behind the end, and when the file is not kept any more.
absl::StatusOr<std::string> ReadContent(pg::Connection& connection, const std::string& id,
                                        std::int64_t offset, std::int64_t most);

// Locks it and looks whether it is still the caller's: ABORTED otherwise.
absl::Status LockOwnTransfer(pg::Connection& connection, const Transfer& own);
// Saves row_count, done_row_count, counts and error_count of the locked one; the lease begins anew.
absl::Status SaveProgress(pg::Connection& connection, const Transfer& own, absl::Duration lease);
// The end of the locked one. The file of an import goes, `content` becomes that of an export.
absl::Status EndTransfer(pg::Connection& connection, const Transfer& own, TransferState state,
                         const std::optional<std::string>& content);

struct TransferError {
  std::int64_t sequence = 0;
  absl::Time time;
  bool processing = false;  // else the file is wrong
  std::int64_t row_number = 0;
  std::string server, application, wave;  // ids
  std::string message;
};
absl::Status InsertTransferError(pg::Connection& connection, const std::string& id,
                                 const TransferError& error);
// In their order, above `after_sequence`.
absl::StatusOr<std::vector<TransferError>> ListTransferErrors(pg::Connection& connection,
                                                              const std::string& id,
                                                              std::int64_t after_sequence,
                                                              int limit);

// Ended ones that are older than `age`, or not among the newest `most`. Returns how many went.
absl::StatusOr<std::int64_t> ForgetTransfers(pg::Connection& connection, TransferKind kind,
                                             absl::Duration age, int most);

}  // namespace godwit::registry::storage
