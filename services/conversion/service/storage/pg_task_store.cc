#include "services/conversion/service/storage/pg_task_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/service/storage/task_row.h"

namespace godwit::conversion {
namespace {

#define COLUMNS GODWIT_CONVERSION_TASK_COLUMNS

constexpr pg::Statement kCreate = {
    "conversion_create",
    "INSERT INTO conversion.task (id, request_id, fingerprint, requester, mode, input, timeout_ms,"
    " max_attempts) SELECT $1, $2::uuid, $3::bytea, $4, $5::smallint, $6::bytea, $7::bigint,"
    " $8::integer WHERE (SELECT count(*) FROM conversion.task WHERE state IN (1, 2)) < $9::bigint "
    "ON CONFLICT ON CONSTRAINT task_request_id DO NOTHING RETURNING " COLUMNS};
constexpr pg::Statement kOfRequest = {
    "conversion_of_request", "SELECT " COLUMNS
                             ", fingerprint = $2::bytea FROM conversion.task WHERE request_id = "
                             "$1::uuid"};
constexpr pg::Statement kGet = {"conversion_get",
                                "SELECT " COLUMNS " FROM conversion.task WHERE id = $1"};
constexpr pg::Statement kList = {"conversion_list",
                                 "SELECT " COLUMNS
                                 " FROM conversion.task WHERE seq < $1::bigint ORDER BY seq DESC "
                                 "LIMIT $2::integer"};
constexpr pg::Statement kCancel = {
    "conversion_cancel",
    "UPDATE conversion.task SET cancel_requested_at = coalesce(cancel_requested_at,"
    " clock_timestamp()), end_time = CASE WHEN state = 1 THEN clock_timestamp() END,"
    " state = CASE WHEN state = 1 THEN 5 ELSE state END WHERE id = $1 AND state IN (1, 2) "
    "RETURNING " COLUMNS};
constexpr pg::Statement kLease = {
    "conversion_lease",
    "UPDATE conversion.task SET state = 2, epoch = epoch + 1, worker = $1, message = '',"
    " attempt_count = attempt_count + 1, attempt_time = clock_timestamp(),"
    " start_time = coalesce(start_time, clock_timestamp()),"
    " due_at = clock_timestamp() + $3::bigint * interval '1 ms' "
    "WHERE seq = (SELECT seq FROM conversion.task WHERE state IN (1, 2)"
    " AND (state = 1 OR $4::bool) AND due_at <= clock_timestamp()"
    " AND cancel_requested_at IS NULL AND attempt_count < max_attempts"
    " AND mode = ANY ($2::smallint[]) ORDER BY due_at, seq LIMIT 1 FOR UPDATE SKIP LOCKED) "
    "RETURNING " COLUMNS};
constexpr pg::Statement kRenew = {
    "conversion_renew",
    "UPDATE conversion.task SET due_at = clock_timestamp() + $4::bigint * interval '1 ms',"
    " message = $5 WHERE id = $1 AND epoch = $2::bigint AND worker = $3 AND state = 2"
    " AND clock_timestamp() < attempt_time + (timeout_ms + $6::bigint) * interval '1 ms' "
    "RETURNING cancel_requested_at IS NOT NULL"};
constexpr pg::Statement kFinish = {
    "conversion_finish",
    "UPDATE conversion.task SET end_time = clock_timestamp(), result = $4::bytea,"
    " state = CASE WHEN cancel_requested_at IS NOT NULL THEN 5 WHEN $5::integer = 0 THEN 3 ELSE 4"
    " END, error_code = CASE WHEN cancel_requested_at IS NULL THEN $5::integer ELSE 0 END,"
    " error_message = $6 WHERE id = $1 AND epoch = $2::bigint AND worker = $3 AND state = 2"};
constexpr pg::Statement kGiveBack = {
    "conversion_give_back",
    "UPDATE conversion.task SET due_at = clock_timestamp() + attempt_count * interval '1 s',"
    " message = $5, state = CASE WHEN cancel_requested_at IS NOT NULL THEN 5"
    " WHEN attempt_count >= max_attempts THEN 4 ELSE 1 END,"
    " end_time = CASE WHEN cancel_requested_at IS NOT NULL OR attempt_count >= max_attempts"
    " THEN clock_timestamp() END,"
    " error_code = CASE WHEN cancel_requested_at IS NULL AND attempt_count >= max_attempts"
    " THEN $4::integer ELSE 0 END, error_message = $5 "
    "WHERE id = $1 AND epoch = $2::bigint AND worker = $3 AND state = 2"};
// 4 is DEADLINE_EXCEEDED, 14 UNAVAILABLE.
constexpr pg::Statement kEndAbandoned = {
    "conversion_end_abandoned",
    "UPDATE conversion.task SET epoch = epoch + 1, end_time = clock_timestamp(),"
    " state = CASE WHEN cancel_requested_at IS NULL THEN 4 ELSE 5 END,"
    " error_code = CASE WHEN cancel_requested_at IS NOT NULL THEN 0 WHEN state = 1 THEN 4 ELSE 14"
    " END, error_message = CASE WHEN cancel_requested_at IS NOT NULL THEN ''"
    " WHEN state = 1 THEN 'no conversion worker took the task in time'"
    " ELSE 'the lease of the last of ' || attempt_count || ' attempts ran out (' || worker || ')'"
    " END WHERE state IN (1, 2) AND ((state = 2 AND $1::bool AND due_at <= clock_timestamp()"
    " AND (cancel_requested_at IS NOT NULL OR attempt_count >= max_attempts))"
    " OR (state = 1 AND create_time + $2::bigint * interval '1 ms' <= clock_timestamp()))"};
constexpr pg::Statement kRemoveEnded = {
    "conversion_remove_ended",
    "DELETE FROM conversion.task WHERE seq IN (SELECT seq FROM conversion.task WHERE end_time"
    " <= clock_timestamp() - $1::bigint * interval '1 ms' ORDER BY end_time LIMIT 1000)"};

#undef COLUMNS

std::string Millis(absl::Duration duration) {
  return absl::StrCat(absl::ToInt64Milliseconds(duration));
}

absl::Status NoSuchTask(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("conversionTasks/", id, " does not exist"));
}

std::string CodeOf(const absl::Status& status) {
  return absl::StrCat(static_cast<int>(status.code()));
}

}  // namespace

absl::StatusOr<Task> PgTaskStore::Create(const NewTask& task) {
  ASSIGN_OR_RETURN(
      const pg::Result made,
      pool_.Exec(kCreate,
                 {NewId("ct-"), task.request_id, pg::BytesParam(task.fingerprint), task.requester,
                  absl::StrCat(static_cast<int>(task.mode)), pg::BytesParam(task.input),
                  Millis(task.timeout), absl::StrCat(options_.max_attempts),
                  absl::StrCat(options_.max_unfinished)}));
  if (made.rows() == 1) return RowToTask(made, 0);
  ASSIGN_OR_RETURN(const pg::Result found,
                   pool_.Exec(kOfRequest, {task.request_id, pg::BytesParam(task.fingerprint)}));
  if (found.rows() == 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there are ", options_.max_unfinished, " unfinished conversion tasks: try again later"));
  }
  if (!found.Bool(0, 17)) {
    return absl::InvalidArgumentError("request_id: was used with another request");
  }
  return RowToTask(found, 0);
}

absl::StatusOr<Task> PgTaskStore::Get(const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, pool_.Exec(kGet, {id}));
  if (found.rows() == 0) return NoSuchTask(id);
  return RowToTask(found, 0);
}

absl::StatusOr<std::vector<Task>> PgTaskStore::List(std::int64_t before, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   pool_.Exec(kList, {absl::StrCat(before), absl::StrCat(limit)}));
  std::vector<Task> tasks;
  tasks.reserve(static_cast<std::size_t>(found.rows()));
  for (int row = 0; row < found.rows(); ++row) tasks.push_back(RowToTask(found, row));
  return tasks;
}

absl::StatusOr<Task> PgTaskStore::Cancel(const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result cancelled, pool_.Exec(kCancel, {id}));
  if (cancelled.rows() == 1) return RowToTask(cancelled, 0);
  return Get(id);
}

absl::StatusOr<std::optional<Task>> PgTaskStore::Lease(const std::string& worker,
                                                       const std::vector<TaskMode>& modes,
                                                       bool take_expired) {
  const std::string list = absl::StrCat(
      "{",
      absl::StrJoin(
          modes, ",",
          [](std::string* out, TaskMode mode) { absl::StrAppend(out, static_cast<int>(mode)); }),
      "}");
  ASSIGN_OR_RETURN(const pg::Result leased,
                   pool_.Exec(kLease, {worker, list, Millis(options_.lease_duration),
                                       take_expired ? "true" : "false"}));
  if (leased.rows() == 0) return std::optional<Task>();
  return std::optional<Task>(RowToTask(leased, 0));
}

absl::Status PgTaskStore::Missed(const LeaseKey& lease) {
  ASSIGN_OR_RETURN(const Task task, Get(lease.task_id));
  if (task.epoch == lease.epoch && task.worker == lease.worker &&
      task.state != TaskState::kRunning) {
    return absl::OkStatus();
  }
  return absl::AbortedError(absl::StrCat("the lease ", lease.epoch, " of ", lease.task_id,
                                         " is lost (it is at ", task.epoch,
                                         "): stop working on it"));
}

absl::StatusOr<bool> PgTaskStore::Renew(const LeaseKey& lease, const std::string& message) {
  ASSIGN_OR_RETURN(const pg::Result renewed,
                   pool_.Exec(kRenew, {lease.task_id, absl::StrCat(lease.epoch), lease.worker,
                                       Millis(options_.lease_duration), message,
                                       Millis(options_.report_grace)}));
  if (renewed.rows() == 1) return renewed.Bool(0, 0);
  RETURN_IF_ERROR(Missed(lease));
  return absl::AbortedError(absl::StrCat(lease.task_id, " is not running any more"));
}

absl::Status PgTaskStore::Finish(const LeaseKey& lease, const absl::Status& error,
                                 const std::string& result) {
  ASSIGN_OR_RETURN(
      const pg::Result finished,
      pool_.Exec(kFinish, {lease.task_id, absl::StrCat(lease.epoch), lease.worker,
                           pg::BytesParam(result), CodeOf(error), std::string(error.message())}));
  return finished.affected() == 1 ? absl::OkStatus() : Missed(lease);
}

absl::Status PgTaskStore::GiveBack(const LeaseKey& lease, const absl::Status& error) {
  ASSIGN_OR_RETURN(const pg::Result given,
                   pool_.Exec(kGiveBack, {lease.task_id, absl::StrCat(lease.epoch), lease.worker,
                                          CodeOf(error), std::string(error.message())}));
  return given.affected() == 1 ? absl::OkStatus() : Missed(lease);
}

absl::StatusOr<std::int64_t> PgTaskStore::EndAbandoned(bool take_expired) {
  ASSIGN_OR_RETURN(
      const pg::Result ended,
      pool_.Exec(kEndAbandoned, {take_expired ? "true" : "false", Millis(options_.queue_timeout)}));
  return ended.affected();
}

absl::StatusOr<std::int64_t> PgTaskStore::RemoveEnded(absl::Duration age) {
  ASSIGN_OR_RETURN(const pg::Result removed, pool_.Exec(kRemoveEnded, {Millis(age)}));
  return removed.affected();
}

}  // namespace godwit::conversion
