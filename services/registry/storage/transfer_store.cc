#include "services/registry/storage/transfer_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_TRANSFER_COLUMNS                                                                   \
  "id, kind, state, principal, bucket, key, bucket_owner, account, region, without_ids, tags,"    \
  " row_count, done_row_count, error_count, waves_created, waves_modified, applications_created," \
  " applications_modified, servers_created, servers_modified, coalesce(length(content), 0),"      \
  " generation, registry.micros(create_time), registry.micros(start_time),"                       \
  " registry.micros(end_time)"

constexpr pg::Statement kOneAtATime = {
    "registry_transfer_insert_lock", "select pg_advisory_xact_lock(hashtext('registry.transfer'))"};
constexpr pg::Statement kUnfinished = {
    "registry_transfer_unfinished",
    "select count(*) from registry.transfer where state in (1, 2) and kind = $1::smallint"};
constexpr pg::Statement kInsert = {
    "registry_transfer_insert",
    "insert into registry.transfer (id, kind, principal, bucket, key, bucket_owner, account,"
    " region, without_ids, tags, content) values ($1, $2::smallint, $3, $4, $5, $6, $7, $8,"
    " $9::boolean, $10::jsonb, $11::bytea) returning " GODWIT_TRANSFER_COLUMNS};
constexpr pg::Statement kGet = {"registry_transfer_get",
                                "select " GODWIT_TRANSFER_COLUMNS
                                " from registry.transfer where kind = $1::smallint and id = $2"};
constexpr pg::Statement kList = {
    "registry_transfer_list",
    "select " GODWIT_TRANSFER_COLUMNS
    " from registry.transfer where kind = $1::smallint"
    " and ($2 = '' or (create_time, id) < (to_timestamp($3::bigint / 1e6), $2))"
    " and ($4 = '' or id = any(string_to_array($4, ',')))"
    " order by create_time desc, id desc limit $5::bigint"};
constexpr pg::Statement kClaim = {
    "registry_transfer_claim",
    "update registry.transfer set version = version + 1, state = 2, generation = generation + 1,"
    " start_time = coalesce(start_time, clock_timestamp()),"
    " lease_expire_time = clock_timestamp() + $2::bigint * interval '1 millisecond'"
    " where id = (select id from registry.transfer where state in (1, 2) and kind = $1::smallint"
    " and (lease_expire_time is null or lease_expire_time < clock_timestamp())"
    " order by create_time, id limit 1 for update skip locked)"
    " returning " GODWIT_TRANSFER_COLUMNS};
constexpr pg::Statement kContent = {
    "registry_transfer_content",
    "select coalesce(substring(content from $2::integer + 1 for $3::integer), ''::bytea)"
    " from registry.transfer where id = $1"};
constexpr pg::Statement kLockOwn = {
    "registry_transfer_lock_own",
    "select id from registry.transfer where id = $1 and generation = $2::bigint"
    " and done_row_count = $3::bigint and state = 2 for update"};
constexpr pg::Statement kProgress = {
    "registry_transfer_progress",
    "update registry.transfer set version = version + 1, row_count = $2::bigint,"
    " done_row_count = $3::bigint, error_count = $4::bigint, waves_created = $5::bigint,"
    " waves_modified = $6::bigint, applications_created = $7::bigint,"
    " applications_modified = $8::bigint, servers_created = $9::bigint,"
    " servers_modified = $10::bigint,"
    " lease_expire_time = clock_timestamp() + $11::bigint * interval '1 millisecond'"
    " where id = $1"};
constexpr pg::Statement kEnd = {
    "registry_transfer_end",
    "update registry.transfer set version = version + 1, state = $2::smallint,"
    " content = $3::bytea, lease_expire_time = null, end_time = clock_timestamp() where id = $1"};
constexpr pg::Statement kInsertError = {
    "registry_transfer_error_insert",
    "insert into registry.transfer_error (transfer_id, sequence, time, type, row_number, server_id,"
    " application_id, wave_id, message) values ($1, (select coalesce(max(sequence), 0) + 1 from"
    " registry.transfer_error where transfer_id = $1), clock_timestamp(), $2::smallint,"
    " $3::bigint, $4, $5, $6, $7)"};
constexpr pg::Statement kListErrors = {
    "registry_transfer_error_list",
    "select sequence, registry.micros(time), type, row_number, server_id, application_id, wave_id,"
    " message from registry.transfer_error where transfer_id = $1 and sequence > $2::bigint"
    " order by sequence limit $3::bigint"};
constexpr pg::Statement kForget = {
    "registry_transfer_forget",
    "delete from registry.transfer where kind = $1::smallint and state in (3, 4)"
    " and (end_time < now() - $2::bigint * interval '1 second' or id in (select id from"
    " registry.transfer where kind = $1::smallint order by create_time desc, id desc"
    " offset $3::bigint))"};

const char* CollectionOf(TransferKind kind) {
  return kind == TransferKind::kImport ? "imports" : "exports";
}

Transfer FromRow(const pg::Result& result, int row) {
  int column = 0;
  const auto text = [&] { return std::string(result.Text(row, column++)); };
  const auto number = [&] { return result.Int(row, column++); };
  Transfer transfer;
  transfer.id = text();
  transfer.kind = static_cast<TransferKind>(number());
  transfer.state = static_cast<TransferState>(number());
  transfer.principal = text();
  transfer.bucket = text();
  transfer.key = text();
  transfer.bucket_owner = text();
  transfer.account = text();
  transfer.region = text();
  transfer.without_ids = result.Bool(row, column++);
  transfer.tags = text();
  TransferCounts& counts = transfer.counts;
  for (std::int64_t* const field :
       {&transfer.row_count, &transfer.done_row_count, &transfer.error_count, &counts.waves_created,
        &counts.waves_modified, &counts.applications_created, &counts.applications_modified,
        &counts.servers_created, &counts.servers_modified, &transfer.content_bytes,
        &transfer.generation}) {
    *field = number();
  }
  transfer.create_time = result.Time(row, column++).value_or(absl::UnixEpoch());
  transfer.start_time = result.Time(row, column++);
  transfer.end_time = result.Time(row, column++);
  return transfer;
}

std::string Milliseconds(absl::Duration duration) {
  return Number(absl::ToInt64Milliseconds(duration));
}

}  // namespace

absl::StatusOr<Transfer> InsertTransfer(pg::Connection& connection, const Transfer& transfer,
                                        const std::string& content, int most_unfinished) {
  const std::string kind = Number(transfer.kind);
  RETURN_IF_ERROR(connection.Exec(kOneAtATime).status());
  ASSIGN_OR_RETURN(const pg::Result unfinished, connection.Exec(kUnfinished, {kind}));
  if (unfinished.Int(0, 0) >= most_unfinished) {
    return absl::ResourceExhaustedError(
        absl::StrCat(unfinished.Int(0, 0), " ", CollectionOf(transfer.kind),
                     " are under way, which is the most: wait for their end"));
  }
  ASSIGN_OR_RETURN(const pg::Result made,
                   connection.Exec(kInsert, {transfer.id, kind, transfer.principal, transfer.bucket,
                                             transfer.key, transfer.bucket_owner, transfer.account,
                                             transfer.region, Bool(transfer.without_ids),
                                             transfer.tags, pg::BytesParam(content)}));
  return FromRow(made, 0);
}

absl::StatusOr<Transfer> GetTransfer(pg::Connection& connection, TransferKind kind,
                                     const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kGet, {Number(kind), id}));
  if (found.rows() == 1) return FromRow(found, 0);
  return absl::NotFoundError(absl::StrCat("there is no ", CollectionOf(kind), "/", id));
}

absl::StatusOr<std::vector<Transfer>> ListTransfers(pg::Connection& connection,
                                                    const TransferQuery& query) {
  ASSIGN_OR_RETURN(
      const pg::Result result,
      connection.Exec(kList, {Number(query.kind), query.before_id,
                              query.before_id.empty() ? "0" : pg::Micros(query.before_time),
                              absl::StrJoin(query.ids, ","), Number(query.limit)}));
  std::vector<Transfer> transfers;
  for (int row = 0; row < result.rows(); ++row) transfers.push_back(FromRow(result, row));
  return transfers;
}

absl::StatusOr<std::optional<Transfer>> ClaimTransfer(pg::Connection& connection, TransferKind kind,
                                                      absl::Duration lease) {
  ASSIGN_OR_RETURN(const pg::Result claimed,
                   connection.Exec(kClaim, {Number(kind), Milliseconds(lease)}));
  if (claimed.rows() == 0) return std::nullopt;
  return FromRow(claimed, 0);
}

absl::StatusOr<std::string> ReadContent(pg::Connection& connection, const std::string& id,
                                        std::int64_t offset, std::int64_t most) {
  ASSIGN_OR_RETURN(const pg::Result read,
                   connection.Exec(kContent, {id, Number(offset), Number(most)}));
  return read.rows() == 0 ? std::string() : read.Bytes(0, 0);
}

absl::Status LockOwnTransfer(pg::Connection& connection, const Transfer& own) {
  ASSIGN_OR_RETURN(
      const pg::Result found,
      connection.Exec(kLockOwn, {own.id, Number(own.generation), Number(own.done_row_count)}));
  if (found.rows() == 1) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(own.id, " was taken over"));
}

absl::Status SaveProgress(pg::Connection& connection, const Transfer& own, absl::Duration lease) {
  const TransferCounts& counts = own.counts;
  return connection
      .Exec(kProgress,
            {own.id, Number(own.row_count), Number(own.done_row_count), Number(own.error_count),
             Number(counts.waves_created), Number(counts.waves_modified),
             Number(counts.applications_created), Number(counts.applications_modified),
             Number(counts.servers_created), Number(counts.servers_modified), Milliseconds(lease)})
      .status();
}

absl::Status EndTransfer(pg::Connection& connection, const Transfer& own, TransferState state,
                         const std::optional<std::string>& content) {
  return connection
      .Exec(kEnd,
            {own.id, Number(state), content ? pg::Param(pg::BytesParam(*content)) : pg::Param()})
      .status();
}

absl::Status InsertTransferError(pg::Connection& connection, const std::string& id,
                                 const TransferError& error) {
  return connection
      .Exec(kInsertError, {id, error.processing ? "2" : "1", Number(error.row_number), error.server,
                           error.application, error.wave, error.message})
      .status();
}

absl::StatusOr<std::vector<TransferError>> ListTransferErrors(pg::Connection& connection,
                                                              const std::string& id,
                                                              std::int64_t after_sequence,
                                                              int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kListErrors, {id, Number(after_sequence), Number(limit)}));
  std::vector<TransferError> errors;
  for (int row = 0; row < result.rows(); ++row) {
    errors.push_back({.sequence = result.Int(row, 0),
                      .time = result.Time(row, 1).value_or(absl::UnixEpoch()),
                      .processing = result.Int(row, 2) == 2,
                      .row_number = result.Int(row, 3),
                      .server = std::string(result.Text(row, 4)),
                      .application = std::string(result.Text(row, 5)),
                      .wave = std::string(result.Text(row, 6)),
                      .message = std::string(result.Text(row, 7))});
  }
  return errors;
}

absl::StatusOr<std::int64_t> ForgetTransfers(pg::Connection& connection, TransferKind kind,
                                             absl::Duration age, int most) {
  ASSIGN_OR_RETURN(
      const pg::Result gone,
      connection.Exec(kForget, {Number(kind), Number(absl::ToInt64Seconds(age)), Number(most)}));
  return gone.affected();
}

}  // namespace godwit::registry::storage
