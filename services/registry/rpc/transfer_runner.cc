#include "services/registry/rpc/transfer_runner.h"

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/registry/domain/csv.h"
#include "services/registry/domain/inventory.h"
#include "services/registry/rpc/export_inventory.h"
#include "services/registry/rpc/import_row.h"
#include "services/registry/rpc/launch_columns.h"

namespace godwit::registry {
namespace {

using storage::Transfer;
using storage::TransferError;
using storage::TransferKind;
using storage::TransferState;

// Fencing does not rest on it: it says how long a transfer of a dead registry waits.
constexpr absl::Duration kLease = absl::Seconds(5);
// Reading a file whole, and making one, take longer.
constexpr absl::Duration kFirstLease = absl::Seconds(60);
constexpr absl::Duration kPoll = absl::Seconds(1);
constexpr absl::Duration kHousekeeping = absl::Minutes(10);
constexpr absl::Duration kKept = absl::Hours(7 * 24);
constexpr int kMostKept = 200;
constexpr std::int64_t kMostErrors = 1000;
constexpr std::size_t kMostMessage = 1000;

// Whether trying again later may help; else it is the row's own error.
bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:  // a commit whose connection broke
      return true;
    default:
      return false;
  }
}

TransferError ErrorOf(const absl::Status& status, std::int64_t row_number) {
  return {.processing = !absl::IsInvalidArgument(status),
          .row_number = row_number,
          .message = std::string(status.message().substr(0, kMostMessage))};
}

void Add(const storage::TransferCounts& more, storage::TransferCounts* to) {
  to->waves_created += more.waves_created;
  to->waves_modified += more.waves_modified;
  to->applications_created += more.applications_created;
  to->applications_modified += more.applications_modified;
  to->servers_created += more.servers_created;
  to->servers_modified += more.servers_modified;
}

}  // namespace

void TransferRunner::Start() {
  imports_ = std::thread([this] { Loop(TransferKind::kImport); });
  exports_ = std::thread([this] { Loop(TransferKind::kExport); });
}

void TransferRunner::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread* thread : {&imports_, &exports_}) {
    if (thread->joinable()) thread->join();
  }
}

void TransferRunner::Wake() {
  absl::MutexLock lock(&mutex_);
  ++wakes_;
}

bool TransferRunner::Stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void TransferRunner::Loop(TransferKind kind) {
  int seen = 0;
  absl::Time next_housekeeping = SteadyNow();
  while (!Stopping()) {
    bool ran = false;
    absl::Status status = RunNext(kind, &ran);
    if (status.ok() && SteadyNow() >= next_housekeeping) {
      next_housekeeping = SteadyNow() + kHousekeeping;
      status = pool_.InTransaction([&](pg::Transaction& transaction) {
        return storage::ForgetTransfers(transaction.connection(), kind, kKept, kMostKept).status();
      });
    }
    if (!status.ok()) {
      Log(Severity::kWarning, "transfer interrupted; it is tried again",
          {{"error", status.ToString()}});
    }
    if (ran && status.ok()) continue;
    absl::MutexLock lock(&mutex_);
    const auto woken = [this, seen]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return stopping_ || wakes_ != seen;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&woken), kPoll);
    seen = wakes_;
  }
}

absl::Status TransferRunner::RunNext(TransferKind kind, bool* ran) {
  std::optional<Transfer> claimed;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(claimed, storage::ClaimTransfer(transaction.connection(), kind, kFirstLease));
    return absl::OkStatus();
  }));
  if (!claimed) return absl::OkStatus();
  *ran = true;
  return kind == TransferKind::kImport ? Import(*std::move(claimed)) : Export(*claimed);
}

absl::Status TransferRunner::Change(const Transfer& own,
                                    const std::function<absl::Status(pg::Connection&)>& body) {
  return pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(storage::LockOwnTransfer(transaction.connection(), own));
    return body(transaction.connection());
  });
}

// The file as a whole cannot be used.
absl::Status TransferRunner::Refuse(const Transfer& own, const TransferError& error) {
  return Change(own, [&](pg::Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(storage::InsertTransferError(connection, own.id, error));
    Transfer after = own;
    ++after.error_count;
    RETURN_IF_ERROR(storage::SaveProgress(connection, after, kLease));
    return storage::EndTransfer(connection, after, TransferState::kFailed, std::nullopt);
  });
}

absl::Status TransferRunner::Import(Transfer own) {
  std::string content;
  {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(content, storage::ReadContent(*connection, own.id, 0, CsvLimits().bytes + 1));
  }
  std::int64_t wrong = 0;
  const absl::StatusOr<std::vector<CsvRecord>> records = ParseCsv(content, {}, &wrong);
  if (!records.ok()) return Refuse(own, ErrorOf(records.status(), wrong));
  const absl::StatusOr<std::vector<InventoryRow>> inventory = ReadInventory(
      *records, {.account = own.account,
                 .region = own.region,
                 .is_launch_setting = [](absl::string_view name) { return IsLaunchColumn(name); }});
  if (!inventory.ok()) return Refuse(own, ErrorOf(inventory.status(), 1));

  own.row_count = static_cast<std::int64_t>(inventory->size());
  while (own.done_row_count < own.row_count) {
    if (Stopping()) return absl::OkStatus();
    const InventoryRow& row = (*inventory)[own.done_row_count];
    Transfer after = own;
    ++after.done_row_count;
    ImportedRow imported;
    absl::Status status = Change(own, [&](pg::Connection& connection) -> absl::Status {
      RETURN_IF_ERROR(ImportRow(connection, backend_, own.principal, row, &imported));
      after.counts = own.counts;
      Add(imported.changed, &after.counts);
      return storage::SaveProgress(connection, after, kLease);
    });
    if (IsPassing(status)) return status;
    if (!status.ok()) {
      TransferError error = ErrorOf(status, row.number);
      error.wave = imported.wave;
      error.application = imported.application;
      error.server = imported.server;
      after.counts = own.counts;
      ++after.error_count;
      RETURN_IF_ERROR(Change(own, [&](pg::Connection& connection) -> absl::Status {
        RETURN_IF_ERROR(storage::InsertTransferError(connection, own.id, error));
        return storage::SaveProgress(connection, after, kLease);
      }));
    }
    own = after;
    GODWIT_FAILPOINT("registry.import.row_done");
    if (own.error_count >= kMostErrors && own.done_row_count < own.row_count) {
      return Refuse(own, {.row_number = row.number,
                          .message = absl::StrCat("ended after ", kMostErrors,
                                                  " rows that could not be imported")});
    }
  }
  const TransferState state =
      own.error_count == 0 ? TransferState::kSucceeded : TransferState::kFailed;
  RETURN_IF_ERROR(Change(own, [&](pg::Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(storage::SaveProgress(connection, own, kLease));
    return storage::EndTransfer(connection, own, state, std::nullopt);
  }));
  Log(Severity::kInfo, "import ended",
      {{"import", own.id},
       {"rows", absl::StrCat(own.row_count)},
       {"errors", absl::StrCat(own.error_count)}});
  return absl::OkStatus();
}

absl::Status TransferRunner::Export(const Transfer& own) {
  absl::StatusOr<ExportedInventory> made = ExportedInventory();
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    RETURN_IF_ERROR(connection.Run("set transaction isolation level repeatable read, read only"));
    made = ExportInventory(connection, own);
    return IsPassing(made.status()) ? made.status() : absl::OkStatus();
  }));
  if (!made.ok()) return Refuse(own, ErrorOf(made.status(), 0));
  if (!own.bucket.empty()) {
    const absl::Status written = folder_.Write(own.bucket, own.key, own.id, made->content);
    if (!written.ok()) return Refuse(own, ErrorOf(written, 0));
  }
  GODWIT_FAILPOINT("registry.export.written");
  Transfer after = own;
  after.row_count = after.done_row_count = 1;
  after.error_count = static_cast<std::int64_t>(made->errors.size());
  after.counts.waves_created = made->waves;
  after.counts.applications_created = made->applications;
  after.counts.servers_created = made->servers;
  RETURN_IF_ERROR(Change(own, [&](pg::Connection& connection) -> absl::Status {
    for (const TransferError& error : made->errors) {
      RETURN_IF_ERROR(storage::InsertTransferError(connection, own.id, error));
    }
    RETURN_IF_ERROR(storage::SaveProgress(connection, after, kLease));
    return storage::EndTransfer(connection, after, TransferState::kSucceeded, made->content);
  }));
  Log(Severity::kInfo, "export ended",
      {{"export", own.id}, {"bytes", absl::StrCat(made->content.size())}});
  return absl::OkStatus();
}

}  // namespace godwit::registry
