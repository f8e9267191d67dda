#include "services/registry/storage/outbox.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/mutation.h"
#include "services/registry/storage/params.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kEnqueue = {"registry_outbox_enqueue",
                                    "insert into registry.outbox (id, kind, servers, body)"
                                    " values ($1::uuid, $2::smallint, $3::text[], $4::jsonb)"};
constexpr pg::Statement kRememberUndo = {
    "registry_launch_undo_insert",
    "insert into registry.launch_undo values ($1::uuid, $2, $3::bigint, $4::smallint,"
    " to_timestamp($5::bigint / 1e6), $6, $7::smallint, $8, to_timestamp($9::bigint / 1e6),"
    " to_timestamp($10::bigint / 1e6), to_timestamp($11::bigint / 1e6), $12,"
    " to_timestamp($13::bigint / 1e6), to_timestamp($14::bigint / 1e6),"
    " to_timestamp($15::bigint / 1e6))"};
constexpr pg::Statement kClaim = {
    "registry_outbox_claim",
    "update registry.outbox set attempt_count = attempt_count + 1,"
    " next_attempt_time = now() + $2::bigint * interval '1 millisecond'"
    " where id = (select o.id from registry.outbox o where o.done_time is null"
    " and ($1 = '' or o.id = nullif($1, '')::uuid)"
    " and o.next_attempt_time <= now()"
    " and not exists (select 1 from registry.outbox e where e.done_time is null"
    "   and e.sequence < o.sequence and (e.kind = 1) = (o.kind = 1) and e.servers && o.servers)"
    " order by o.sequence limit 1 for update skip locked)"
    " returning id, kind, array_to_string(servers, ','), body, attempt_count"};
constexpr pg::Statement kDone = {
    "registry_outbox_done",
    "update registry.outbox set done_time = now(), last_error = $2 where id = $1::uuid"};
constexpr pg::Statement kFailed = {
    "registry_outbox_failed",
    "update registry.outbox set last_error = $2,"
    " next_attempt_time = now() + $3::bigint * interval '1 millisecond' where id = $1::uuid"};
constexpr pg::Statement kUndoRows = {
    "registry_launch_undo_list",
    "select server_id, version, lifecycle, registry.micros(state_time), launch_job, launch_status,"
    " test_job, registry.micros(test_initiate_time), registry.micros(test_finalize_time),"
    " registry.micros(test_revert_time), cutover_job, registry.micros(cutover_initiate_time),"
    " registry.micros(cutover_finalize_time), registry.micros(cutover_revert_time)"
    " from registry.launch_undo where outbox_id = $1::uuid order by server_id"};
constexpr pg::Statement kLaunchWaits = {
    "registry_outbox_launch_waits",
    "select exists (select 1 from registry.outbox where done_time is null and kind = 1"
    " and servers && array[$1::text])"};
constexpr pg::Statement kLoad = {
    "registry_outbox_load",
    "select count(*), coalesce(registry.micros(now()) - registry.micros(min(create_time)), 0)"
    " from registry.outbox where done_time is null"};
constexpr pg::Statement kDrop = {"registry_outbox_drop",
                                 "delete from registry.outbox where id = $1::uuid"};
constexpr pg::Statement kForgetOld = {
    "registry_outbox_forget_old",
    "delete from registry.outbox where done_time < now() - interval '7 days'"};

std::string Millis(absl::Duration duration) {
  return absl::StrCat(absl::ToInt64Milliseconds(duration));
}

LaunchRecord RecordFrom(const pg::Result& rows, int row, int column) {
  return {.job = std::string(rows.Text(row, column)),
          .initiate = rows.Time(row, column + 1),
          .finalize = rows.Time(row, column + 2),
          .revert = rows.Time(row, column + 3)};
}

}  // namespace

absl::Status Enqueue(pg::Connection& connection, const Command& command) {
  return connection
      .Exec(kEnqueue, {command.id, Number(command.kind),
                       absl::StrCat("{", absl::StrJoin(command.servers, ","), "}"), command.body})
      .status();
}

absl::Status RememberForUndo(pg::Connection& connection, const std::string& command_id,
                             const SourceServer& before, std::int64_t version) {
  const LaunchRecord& test = before.last_test;
  const LaunchRecord& cutover = before.last_cutover;
  return connection
      .Exec(kRememberUndo,
            {command_id, before.id, Number(version), Number(before.lifecycle),
             pg::Micros(before.state_time), OrNull(before.launch_job), Number(before.launch_status),
             OrNull(test.job), MicrosOrNull(test.initiate), MicrosOrNull(test.finalize),
             MicrosOrNull(test.revert), OrNull(cutover.job), MicrosOrNull(cutover.initiate),
             MicrosOrNull(cutover.finalize), MicrosOrNull(cutover.revert)})
      .status();
}

absl::StatusOr<std::optional<Command>> Claim(pg::Connection& connection, const std::string& id,
                                             absl::Duration lease) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kClaim, {id, Millis(lease)}));
  if (result.rows() == 0) return std::optional<Command>();
  return std::optional<Command>(
      {.id = std::string(result.Text(0, 0)),
       .kind = static_cast<CommandKind>(result.Int(0, 1)),
       .servers = absl::StrSplit(result.Text(0, 2), ',', absl::SkipEmpty()),
       .body = std::string(result.Text(0, 3)),
       .attempt_count = static_cast<int>(result.Int(0, 4))});
}

absl::Status MarkDone(pg::Connection& connection, const std::string& id, const std::string& error) {
  return connection.Exec(kDone, {id, error}).status();
}

absl::Status MarkFailed(pg::Connection& connection, const std::string& id, const std::string& error,
                        absl::Duration retry_after) {
  return connection.Exec(kFailed, {id, error, Millis(retry_after)}).status();
}

absl::StatusOr<int> UndoLaunch(pg::Connection& connection, const std::string& command_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Exec(kUndoRows, {command_id}));
  int undone = 0;
  for (int row = 0; row < rows.rows(); ++row) {
    absl::StatusOr<SourceServer> server = LockServer(connection, std::string(rows.Text(row, 0)));
    if (!server.ok()) return server.status();
    if (server->version != rows.Int(row, 1)) continue;  // somebody moved it on meanwhile
    server->lifecycle = static_cast<Lifecycle>(rows.Int(row, 2));
    server->state_time = rows.Time(row, 3).value_or(server->state_time);
    server->launch_job = std::string(rows.Text(row, 4));
    server->launch_status = static_cast<LaunchStatus>(rows.Int(row, 5));
    server->last_test = RecordFrom(rows, row, 6);
    server->last_cutover = RecordFrom(rows, row, 10);
    RETURN_IF_ERROR(SaveServer(connection, *server,
                               {.event = "LaunchRefused", .principal = "service/registry"}));
    ++undone;
  }
  RETURN_IF_ERROR(connection.Exec(kDrop, {command_id}));
  RETURN_IF_ERROR(ForgetRequest(connection, command_id));
  return undone;
}

absl::StatusOr<bool> LaunchWaits(pg::Connection& connection, const std::string& server_id) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kLaunchWaits, {server_id}));
  return result.Bool(0, 0);
}

absl::StatusOr<OutboxLoad> Load(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kLoad));
  return OutboxLoad{.waiting = result.Int(0, 0), .oldest = absl::Microseconds(result.Int(0, 1))};
}

absl::Status ForgetOldCommands(pg::Connection& connection) {
  return connection.Exec(kForgetOld).status();
}

}  // namespace godwit::registry::storage
