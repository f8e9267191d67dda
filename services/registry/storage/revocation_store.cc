#include "services/registry/storage/revocation_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kCount = {"registry_revocation_count",
                                  "select count(*) from registry.revocation"};
constexpr pg::Statement kInsert = {
    "registry_revocation_insert",
    "insert into registry.revocation (subject, reason, principal) values ($1, $2, $3)"
    " on conflict do nothing"};
constexpr pg::Statement kGet = {
    "registry_revocation_get",
    "select subject, reason, principal, registry.micros(create_time) from registry.revocation"
    " where subject = $1"};
constexpr pg::Statement kDelete = {"registry_revocation_delete",
                                   "delete from registry.revocation where subject = $1"};
constexpr pg::Statement kList = {
    "registry_revocation_list",
    "select subject, reason, principal, registry.micros(create_time) from registry.revocation"
    " where (create_time, subject) > (to_timestamp($1::bigint / 1e6), $2)"
    " order by create_time, subject limit $3::bigint"};
constexpr pg::Statement kSubjects = {
    "registry_revocation_subjects",
    "select subject from registry.revocation order by subject limit 10000"};

std::vector<Revocation> All(const pg::Result& result) {
  std::vector<Revocation> revocations;
  for (int row = 0; row < result.rows(); ++row) {
    revocations.push_back({.subject = std::string(result.Text(row, 0)),
                           .reason = std::string(result.Text(row, 1)),
                           .principal = std::string(result.Text(row, 2)),
                           .create_time = result.Time(row, 3).value_or(absl::UnixEpoch())});
  }
  return revocations;
}

}  // namespace

absl::StatusOr<Revocation> InsertRevocation(pg::Connection& connection,
                                            const Revocation& revocation) {
  ASSIGN_OR_RETURN(const pg::Result count, connection.Exec(kCount));
  if (count.Int(0, 0) >= kMaxRevocations) {
    return absl::FailedPreconditionError(
        absl::StrCat("there are ", kMaxRevocations,
                     " revocations, which is the most: restore those whose certificates ended"));
  }
  RETURN_IF_ERROR(
      connection.Exec(kInsert, {revocation.subject, revocation.reason, revocation.principal})
          .status());
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kGet, {revocation.subject}));
  const std::vector<Revocation> found = All(result);
  if (found.empty()) return absl::AbortedError("subject: was restored meanwhile");
  return found.front();
}

absl::Status DeleteRevocation(pg::Connection& connection, const std::string& subject) {
  ASSIGN_OR_RETURN(const pg::Result deleted, connection.Exec(kDelete, {subject}));
  if (deleted.affected() != 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(subject, " is not revoked"));
}

absl::StatusOr<std::vector<Revocation>> ListRevocations(pg::Connection& connection,
                                                        absl::Time after_time,
                                                        const std::string& after_subject,
                                                        int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kList, {after_subject.empty() ? "0" : pg::Micros(after_time),
                                           after_subject, Number(limit)}));
  return All(result);
}

absl::StatusOr<std::vector<std::string>> RevokedSubjects(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kSubjects));
  std::vector<std::string> subjects;
  for (int row = 0; row < result.rows(); ++row) subjects.emplace_back(result.Text(row, 0));
  return subjects;
}

absl::StatusOr<bool> IsRevoked(pg::Connection& connection, const std::string& subject) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kGet, {subject}));
  return result.rows() != 0;
}

}  // namespace godwit::registry::storage
