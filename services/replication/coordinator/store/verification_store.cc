#include "services/replication/coordinator/store/verification_store.h"

#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"

namespace godwit::coordinator::store {
namespace {

#define GODWIT_VERIFICATION_SELECT(differences, report)                                        \
  "select id, server_id, ordinal, state, replication.micros(create_time),"                     \
  " replication.micros(start_time), replication.micros(end_time),"                             \
  " replication.micros(progress_time), idle_micros, compared_bytes, total_bytes, " differences \
  ", difference_count, coalesce(point_request_id::text, ''), coalesce(point_id, ''),"          \
  " root_hash, error_message, " report " from replication.verification"
constexpr pg::Statement kInsert = {
    "verification_insert",
    "insert into replication.verification (id, server_id) values ($1::uuid, $2)"};
constexpr pg::Statement kFind = {
    "verification_find",
    GODWIT_VERIFICATION_SELECT("differences", "report") " where id = $1::uuid"};
constexpr pg::Statement kActive = {
    "verification_active",
    GODWIT_VERIFICATION_SELECT("differences",
                               "report") " where server_id = $1 and state in (1, 2, 3)"};
constexpr pg::Statement kList = {
    "verification_list", GODWIT_VERIFICATION_SELECT("''", "''::bytea")
    " where server_id = $1 and ($2::bigint = 0 or ordinal < $2::bigint)"
    " order by ordinal desc limit $3::int"};
constexpr pg::Statement kSave = {
    "verification_save",
    "update replication.verification set state = $2::smallint,"
    " start_time = to_timestamp($3::bigint / 1e6), end_time = to_timestamp($4::bigint / 1e6),"
    " progress_time = to_timestamp($5::bigint / 1e6), idle_micros = $6::bigint,"
    " compared_bytes = $7::bigint, total_bytes = $8::bigint, differences = $9,"
    " difference_count = $10::bigint, point_request_id = $11::uuid, point_id = $12,"
    " root_hash = $13, error_message = $14, report = $15::bytea,"
    " close_time = case when $2::smallint in (4, 5) then now() end"
    " where id = $1::uuid and state in (1, 2, 3)"};
constexpr pg::Statement kUnsettled = {
    "verification_unsettled",
    "select v.server_id, v.id from replication.verification v"
    " left join replication.point_request r on r.id = v.point_request_id"
    " where v.state in (1, 2, 3) and case when v.state = 3 then coalesce(r.state, 4) in (3, 4)"
    "  else v.progress_time < now() - $1::bigint * interval '1 microsecond' end"
    " order by v.ordinal limit $2::int"};
constexpr pg::Statement kForget = {
    "verification_forget",
    "delete from replication.verification where close_time < now() - interval '400 days'"};

Verification FromRow(const pg::Result& result, int index) {
  Row row(result, index);
  Verification out;
  out.id = row.Text();
  out.server_id = row.Text();
  out.ordinal = row.Int();
  out.state = static_cast<VerificationState>(row.Small());
  out.create_time = row.TimeOrPast();
  out.start_time = row.Time();
  out.end_time = row.Time();
  out.progress_time = row.TimeOrPast();
  out.idle = absl::Microseconds(row.Int());
  out.compared_bytes = row.Int();
  out.total_bytes = row.Int();
  out.differences = ReadDifferences(row.Text());
  out.difference_count = row.Int();
  out.point_request_id = row.Text();
  out.point_id = row.Text();
  out.root_hash = row.Text();
  out.error_message = row.Text();
  out.report = row.Bytes();
  return out;
}

absl::StatusOr<std::optional<Verification>> One(pg::Connection& connection,
                                                const pg::Statement& statement,
                                                const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(statement, {id}));
  if (found.rows() == 0) return std::optional<Verification>();
  return std::optional<Verification>(FromRow(found, 0));
}

}  // namespace

absl::Status InsertVerification(pg::Connection& connection, const std::string& server_id,
                                const std::string& id) {
  return connection.Exec(kInsert, {id, server_id}).status();
}

absl::StatusOr<std::optional<Verification>> FindVerification(pg::Connection& connection,
                                                             const std::string& id) {
  return One(connection, kFind, id);
}

absl::StatusOr<std::optional<Verification>> ActiveVerification(pg::Connection& connection,
                                                               const std::string& server_id) {
  return One(connection, kActive, server_id);
}

absl::StatusOr<std::vector<Verification>> ListVerifications(pg::Connection& connection,
                                                            const std::string& server_id,
                                                            std::int64_t before, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kList, {server_id, Number(before), Number(limit)}));
  std::vector<Verification> out;
  for (int i = 0; i < found.rows(); ++i) out.push_back(FromRow(found, i));
  return out;
}

absl::Status SaveVerification(pg::Connection& connection, const Verification& verification) {
  return connection
      .Exec(kSave, {verification.id, Code(verification.state), When(verification.start_time),
                    When(verification.end_time), When(verification.progress_time),
                    Number(absl::ToInt64Microseconds(verification.idle)),
                    Number(verification.compared_bytes), Number(verification.total_bytes),
                    WriteDifferences(verification.differences),
                    Number(verification.difference_count), OrNull(verification.point_request_id),
                    OrNull(verification.point_id), verification.root_hash,
                    verification.error_message, pg::BytesParam(verification.report)})
      .status();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ListUnsettled(
    pg::Connection& connection, absl::Duration silence, int limit) {
  ASSIGN_OR_RETURN(
      const pg::Result found,
      connection.Exec(kUnsettled, {Number(absl::ToInt64Microseconds(silence)), Number(limit)}));
  std::vector<std::pair<std::string, std::string>> out;
  for (int i = 0; i < found.rows(); ++i) {
    out.emplace_back(std::string(found.Text(i, 0)), std::string(found.Text(i, 1)));
  }
  return out;
}

absl::Status ForgetVerifications(pg::Connection& connection) {
  return connection.Exec(kForget).status();
}

}  // namespace godwit::coordinator::store
