#include "services/replication/coordinator/store/point_request_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"

namespace godwit::coordinator::store {
namespace {

#define GODWIT_REQUEST_SELECT                                                          \
  "select id, server_id, quiesce, stay_quiesced, description, timeout_seconds, state," \
  " coalesce(point_id, ''), error_message, root_hash from replication.point_request"
constexpr pg::Statement kRequest = {
    "point_request_insert",
    "insert into replication.point_request (id, server_id, quiesce, stay_quiesced, description,"
    " timeout_seconds, deadline, root_hash) values ($1::uuid, $2, $3::bool, $4::bool, $5,"
    " $6::bigint, clock_timestamp() + $6::bigint * interval '1 second', $7::bool) on conflict (id) "
    "do nothing"};
constexpr pg::Statement kLoadRequest = {"point_request_load",
                                        GODWIT_REQUEST_SELECT " where id = $1::uuid"};
constexpr pg::Statement kNext = {
    "point_request_next", GODWIT_REQUEST_SELECT
    " where server_id = $1 and state in (1, 2) and deadline > clock_timestamp()"
    " order by create_time, id limit 1"};
constexpr pg::Statement kCountOpen = {
    "point_request_count_open",
    "select count(*) from replication.point_request where server_id = $1 and state in (1, 2)"};
constexpr pg::Statement kCutting = {
    "point_request_cutting",
    "update replication.point_request set state = 2 where id = $1::uuid and state = 1"};
constexpr pg::Statement kFail = {
    "point_request_fail",
    "update replication.point_request set state = 4, error_message = $3, end_time = now()"
    " where id = $1::uuid and server_id = $2 and state in (1, 2)"};
constexpr pg::Statement kFailAll = {
    "point_request_fail_all",
    "update replication.point_request set state = 4, error_message = $2, end_time = now()"
    " where server_id = $1 and state in (1, 2)"};
constexpr pg::Statement kQuiesce = {
    "point_request_quiesce",
    "update replication.point_request set quiesce_time = to_timestamp($3::bigint / 1e6)"
    " where id = $1::uuid and server_id = $2 and state in (1, 2)"};
constexpr pg::Statement kSucceed = {
    "point_request_succeed",
    "with ended as (update replication.point_request set state = 3, point_id = $3,"
    "  end_time = now() where id = $1::uuid and server_id = $2 and state in (1, 2)"
    "  returning description, quiesce_time)"
    " update replication.point p set requested = true,"
    " description = case when p.description = '' then ended.description else p.description end,"
    " quiesce_time = coalesce(p.quiesce_time, ended.quiesce_time) from ended where p.id = $3"};
constexpr pg::Statement kExpire = {
    "point_request_expire",
    "update replication.point_request set state = 4, end_time = now(), error_message ="
    " 'no point within ' || timeout_seconds || ' s; the agent ' || case state when 1"
    "  then 'did not take the request up' else 'was cutting' end"
    " where state in (1, 2) and deadline < clock_timestamp()"};
constexpr pg::Statement kQueue = {
    "outbox_insert",
    "with first as (update replication.server set sync_reported = true where id = $2"
    "  and not sync_reported returning id)"
    " insert into replication.outbox (id, server_id, point_id) select $1::uuid, id, $3 from first"};
constexpr pg::Statement kClaim = {
    "outbox_claim",
    "update replication.outbox set attempt_count = attempt_count + 1,"
    " next_time = clock_timestamp() + $1::bigint * interval '1 microsecond'"
    " where id = (select id from replication.outbox where done_time is null"
    "  and next_time <= clock_timestamp() order by next_time limit 1 for update skip locked)"
    " returning id, server_id, point_id, attempt_count"};
constexpr pg::Statement kFinish = {
    "outbox_finish",
    "update replication.outbox set error_message = $2,"
    " done_time = case when $2 = '' then now() end,"
    " next_time = clock_timestamp() + $3::bigint * interval '1 microsecond' where id = $1::uuid"};

constexpr pg::Statement kForgetRequests = {
    "point_request_forget",
    "delete from replication.point_request where end_time < now() - interval '7 days'"};
constexpr pg::Statement kForgetDone = {
    "outbox_forget", "delete from replication.outbox where done_time < now() - interval '7 days'"};

constexpr std::int64_t kMostOpenRequests = 100;

PointRequest RequestFromRow(const pg::Result& result) {
  Row row(result, 0);
  PointRequest out;
  out.id = row.Text();
  out.server_id = row.Text();
  out.quiesce = row.Bool();
  out.stay_quiesced = row.Bool();
  out.description = row.Text();
  out.timeout = absl::Seconds(row.Int());
  out.state = static_cast<RequestState>(row.Small());
  out.point_id = row.Text();
  out.error_message = row.Text();
  out.root_hash = row.Bool();
  return out;
}

}  // namespace

absl::StatusOr<PointRequest> InsertPointRequest(pg::Connection& connection,
                                                const PointRequest& request) {
  const auto known = LoadPointRequest(connection, request.server_id, request.id);
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
  if (known.ok()) {
    if (known->quiesce != request.quiesce || known->stay_quiesced != request.stay_quiesced ||
        known->description != request.description || known->timeout != request.timeout ||
        known->root_hash != request.root_hash) {
      return absl::InvalidArgumentError("request_id: was used for another request");
    }
    return known;
  }
  ASSIGN_OR_RETURN(const pg::Result open, connection.Exec(kCountOpen, {request.server_id}));
  if (open.Int(0, 0) >= kMostOpenRequests) {
    return absl::ResourceExhaustedError(absl::StrCat("sourceServers/", request.server_id,
                                                     ": too many points are being waited for"));
  }
  ASSIGN_OR_RETURN(const pg::Result inserted,
                   connection.Exec(kRequest, {request.id, request.server_id, Flag(request.quiesce),
                                              Flag(request.stay_quiesced), request.description,
                                              Number(absl::ToInt64Seconds(request.timeout)),
                                              Flag(request.root_hash)}));
  if (inserted.affected() == 0) {
    return absl::InvalidArgumentError("request_id: was used for another server");
  }
  return LoadPointRequest(connection, request.server_id, request.id);
}

absl::StatusOr<PointRequest> LoadPointRequest(pg::Connection& connection,
                                              const std::string& server_id, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kLoadRequest, {id}));
  if (found.rows() == 0 || found.Text(0, 1) != server_id) {
    return absl::NotFoundError(absl::StrCat("sourceServers/", server_id, "/pointRequests/", id));
  }
  return RequestFromRow(found);
}

absl::StatusOr<std::optional<PointRequest>> NextPointRequest(pg::Connection& connection,
                                                             const std::string& server_id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kNext, {server_id}));
  if (found.rows() == 0) return std::optional<PointRequest>();
  return std::optional<PointRequest>(RequestFromRow(found));
}

absl::Status MarkCutting(pg::Connection& connection, const std::string& id) {
  return connection.Exec(kCutting, {id}).status();
}

absl::Status FailPointRequest(pg::Connection& connection, const std::string& server_id,
                              const std::string& id, const std::string& message) {
  return connection.Exec(kFail, {id, server_id, message}).status();
}

absl::Status FailPointRequests(pg::Connection& connection, const std::string& server_id,
                               const std::string& message) {
  return connection.Exec(kFailAll, {server_id, message}).status();
}

absl::Status SaveQuiesceTime(pg::Connection& connection, const std::string& server_id,
                             const std::string& id, absl::Time time) {
  return connection.Exec(kQuiesce, {id, server_id, When(time)}).status();
}

absl::Status SucceedPointRequest(pg::Connection& connection, const std::string& server_id,
                                 const std::string& id, const std::string& point_id) {
  return connection.Exec(kSucceed, {id, server_id, point_id}).status();
}

absl::Status ExpirePointRequests(pg::Connection& connection) {
  return connection.Exec(kExpire).status();
}

absl::Status QueueInitialSyncDone(pg::Connection& connection, const std::string& server_id,
                                  const std::string& point_id) {
  return connection.Exec(kQueue, {NewUuid(), server_id, point_id}).status();
}

absl::StatusOr<std::optional<SyncDone>> ClaimSyncDone(pg::Connection& connection,
                                                      absl::Duration lease) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kClaim, {Number(absl::ToInt64Microseconds(lease))}));
  if (found.rows() == 0) return std::optional<SyncDone>();
  Row row(found, 0);
  SyncDone out;
  out.request_id = row.Text();
  out.server_id = row.Text();
  out.point_id = row.Text();
  out.attempt_count = row.Small();
  return std::optional<SyncDone>(std::move(out));
}

absl::Status FinishSyncDone(pg::Connection& connection, const std::string& request_id,
                            const std::string& error, absl::Duration backoff) {
  return connection.Exec(kFinish, {request_id, error, Number(absl::ToInt64Microseconds(backoff))})
      .status();
}

absl::Status ForgetEndedRequests(pg::Connection& connection) {
  RETURN_IF_ERROR(connection.Exec(kForgetDone).status());
  return connection.Exec(kForgetRequests).status();
}

}  // namespace godwit::coordinator::store
