#include "services/registry/storage/audit_store.h"

#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kAfter = {
    "registry_audit_after",
    "select sequence, registry.micros(time), principal, peer, method, resource, code, request_id,"
    " detail, prev_hash, hash from registry.audit where sequence > $1::bigint"
    " order by sequence limit $2::bigint"};
constexpr pg::Statement kHead = {"registry_audit_head",
                                 "select sequence, hash from registry.audit_head"};

}  // namespace

absl::StatusOr<std::vector<crypt::ChainedEntry>> ChainedAfter(pg::Connection& connection,
                                                              std::int64_t sequence, int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kAfter, {Number(sequence), Number(limit)}));
  std::vector<crypt::ChainedEntry> entries;
  for (int row = 0; row < result.rows(); ++row) {
    entries.push_back({.sequence = result.Int(row, 0),
                       .time_micros = result.Int(row, 1),
                       .principal = std::string(result.Text(row, 2)),
                       .peer = std::string(result.Text(row, 3)),
                       .method = std::string(result.Text(row, 4)),
                       .resource = std::string(result.Text(row, 5)),
                       .code = static_cast<int>(result.Int(row, 6)),
                       .request_id = std::string(result.Text(row, 7)),
                       .detail = std::string(result.Text(row, 8)),
                       .prev_hash = result.Bytes(row, 9),
                       .hash = result.Bytes(row, 10)});
  }
  return entries;
}

absl::StatusOr<AuditHead> GetAuditHead(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kHead));
  if (result.rows() == 0) return absl::DataLossError("the audit log has lost its head");
  return AuditHead{.sequence = result.Int(0, 0), .hash = result.Bytes(0, 1)};
}

}  // namespace godwit::registry::storage
