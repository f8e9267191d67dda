#include "services/registry/storage/mutation.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

constexpr std::size_t kMaxDetail = 500;

constexpr pg::Statement kClaimRequest = {
    "registry_request_claim",
    "insert into registry.request (id, fingerprint) values ($1::uuid, $2) on conflict do nothing"};
constexpr pg::Statement kGetRequest = {
    "registry_request_get", "select fingerprint, answer from registry.request where id = $1::uuid"};
constexpr pg::Statement kAnswerRequest = {
    "registry_request_answer",
    "update registry.request set answer = $2::bytea where id = $1::uuid"};
constexpr pg::Statement kForgetOld = {
    "registry_request_forget_old",
    "delete from registry.request where create_time < now() - interval '24 hours'"};
constexpr pg::Statement kForget = {"registry_request_forget",
                                   "delete from registry.request where id = $1::uuid"};
constexpr pg::Statement kAudit = {
    "registry_audit_insert",
    "insert into registry.audit (principal, peer, method, resource, code, request_id, detail)"
    " values ($1, $2, $3, $4, $5::smallint, $6, $7)"};
constexpr pg::Statement kListAudit = {
    "registry_audit_list",
    "select sequence, registry.micros(time), principal, peer, method, resource, code, request_id,"
    " detail from registry.audit where ($1::bigint = 0 or sequence < $1::bigint)"
    " and ($2 = '' or resource = $2) order by sequence desc limit $3::bigint"};

// Text columns take neither NUL nor broken UTF-8; what peers sent may have both.
std::string Printable(absl::string_view text) {
  std::string out(text.substr(0, kMaxDetail));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return out;
}

}  // namespace

absl::Status WriteAudit(pg::Connection& connection, const Mutation& mutation,
                        const absl::Status& status) {
  return connection
      .Exec(kAudit,
            {mutation.principal, Printable(mutation.peer), mutation.method,
             Printable(mutation.resource), Number(status.code()),
             Printable(mutation.request_id.empty() ? mutation.call_id : mutation.request_id),
             Printable(status.ok() ? mutation.detail : std::string(status.message()))})
      .status();
}

absl::StatusOr<Outcome> Mutator::Run(
    const Mutation& mutation,
    const std::function<absl::StatusOr<std::string>(pg::Connection&)>& body) {
  Outcome outcome;
  absl::Status status = pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    outcome = Outcome();
    pg::Connection& connection = transaction.connection();
    if (!mutation.request_id.empty()) {
      ASSIGN_OR_RETURN(const pg::Result claimed,
                       connection.Exec(kClaimRequest, {mutation.request_id, mutation.fingerprint}));
      if (claimed.affected() == 0) {
        ASSIGN_OR_RETURN(const pg::Result kept,
                         connection.Exec(kGetRequest, {mutation.request_id}));
        if (kept.rows() == 0) return absl::AbortedError("request id: expired meanwhile");
        if (kept.Text(0, 0) != mutation.fingerprint) {
          return absl::InvalidArgumentError(
              "request_id: was used for another request; make a new UUID");
        }
        outcome = {.answer = kept.Bytes(0, 1), .replayed = true};
        return absl::OkStatus();
      }
    }
    ASSIGN_OR_RETURN(outcome.answer, body(connection));
    if (!mutation.request_id.empty()) {
      RETURN_IF_ERROR(
          connection.Exec(kAnswerRequest, {mutation.request_id, pg::BytesParam(outcome.answer)}));
    }
    return WriteAudit(connection, mutation, absl::OkStatus());
  });
  if (status.ok()) return outcome;
  // The outcome of a commit whose connection broke: the caller asks again with its request id.
  if (status.code() == absl::StatusCode::kUnknown) {
    status = absl::UnavailableError(status.message());
  }
  AuditRefusal(mutation, status);
  return status;
}

void Mutator::AuditRefusal(const Mutation& mutation, const absl::Status& status) {
  if (!mutation.audit_refusals) return;
  const absl::Status written = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    return WriteAudit(*connection, mutation, status);
  }();
  if (!written.ok()) {
    Log(Severity::kWarning, "refusal not audited",
        {{"method", mutation.method}, {"error", written.ToString()}});
  }
}

absl::StatusOr<std::int64_t> ForgetOldRequests(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kForgetOld));
  return result.affected();
}

absl::Status ForgetRequest(pg::Connection& connection, const std::string& request_id) {
  return connection.Exec(kForget, {request_id}).status();
}

absl::StatusOr<std::vector<AuditRow>> ListAudit(pg::Connection& connection,
                                                std::int64_t before_sequence,
                                                const std::string& resource, int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kListAudit, {Number(before_sequence), resource, Number(limit)}));
  std::vector<AuditRow> rows;
  const auto text = [&result](int row, int column) {
    return std::string(result.Text(row, column));
  };
  for (int row = 0; row < result.rows(); ++row) {
    rows.push_back({.sequence = result.Int(row, 0),
                    .time = result.Time(row, 1).value_or(absl::UnixEpoch()),
                    .principal = text(row, 2),
                    .peer = text(row, 3),
                    .method = text(row, 4),
                    .resource = text(row, 5),
                    .code = static_cast<int>(result.Int(row, 6)),
                    .request_id = text(row, 7),
                    .detail = text(row, 8)});
  }
  return rows;
}

}  // namespace godwit::registry::storage
