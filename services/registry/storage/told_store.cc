#include "services/registry/storage/told_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_TOLD_SELECT                                                                   \
  "select server_id, active, stalled, registry.micros(stalled_since), stall_cause, lagging," \
  " registry.micros(lagging_since), disconnected, registry.micros(disconnected_since),"      \
  " synced, registry.micros(rescan_time), rescan_reason, registry.micros(look_time)"         \
  " from registry.replication_told where server_id = any($1::text[]) order by server_id"

constexpr pg::Statement kLoad = {"registry_told_load", GODWIT_TOLD_SELECT};
constexpr pg::Statement kLock = {"registry_told_lock", GODWIT_TOLD_SELECT " for update"};
constexpr pg::Statement kSave = {
    "registry_told_save",
    "insert into registry.replication_told as t (server_id, active, stalled, stalled_since,"
    " stall_cause, lagging, lagging_since, disconnected, disconnected_since, synced, rescan_time,"
    " rescan_reason, look_time) select s.id, $2::boolean, $3::boolean,"
    " to_timestamp($4::bigint / 1e6), $5, $6::boolean, to_timestamp($7::bigint / 1e6), $8::boolean,"
    " to_timestamp($9::bigint / 1e6), $10::boolean, to_timestamp($11::bigint / 1e6), $12,"
    " to_timestamp($13::bigint / 1e6) from registry.source_server s where s.id = $1"
    " on conflict (server_id) do update set active = excluded.active, stalled = excluded.stalled,"
    " stalled_since = excluded.stalled_since, stall_cause = excluded.stall_cause,"
    " lagging = excluded.lagging, lagging_since = excluded.lagging_since,"
    " disconnected = excluded.disconnected, disconnected_since = excluded.disconnected_since,"
    " synced = excluded.synced, rescan_time = excluded.rescan_time,"
    " rescan_reason = excluded.rescan_reason, look_time = excluded.look_time"
    " where t.look_time <= excluded.look_time"};
constexpr pg::Statement kNow = {"registry_told_now", "select registry.micros(clock_timestamp())"};

}  // namespace

absl::StatusOr<std::map<std::string, ToldRow>> LoadTold(pg::Connection& connection,
                                                        const std::vector<std::string>& servers,
                                                        bool lock) {
  ASSIGN_OR_RETURN(
      const pg::Result result,
      connection.Exec(lock ? kLock : kLoad, {absl::StrCat("{", absl::StrJoin(servers, ","), "}")}));
  std::map<std::string, ToldRow> out;
  for (int row = 0; row < result.rows(); ++row) {
    const auto condition = [&](int column) {
      return Condition{.told = result.Bool(row, column), .since = result.Time(row, column + 1)};
    };
    ToldRow& entry = out[std::string(result.Text(row, 0))];
    entry.look_time = result.Time(row, 12).value_or(absl::UnixEpoch());
    entry.told = {.active = result.Bool(row, 1),
                  .stalled = condition(2),
                  .lagging = condition(5),
                  .disconnected = condition(7),
                  .stall_cause = std::string(result.Text(row, 4)),
                  .rescan_time = result.Time(row, 10),
                  .rescan_reason = std::string(result.Text(row, 11))};
    if (!result.IsNull(row, 9)) entry.told.synced = result.Bool(row, 9);
  }
  return out;
}

absl::Status SaveTold(pg::Connection& connection, const std::string& server, const ToldRow& row) {
  const ReplicationTold& told = row.told;
  return connection
      .Exec(kSave,
            {server, Bool(told.active), Bool(told.stalled.told), MicrosOrNull(told.stalled.since),
             told.stall_cause, Bool(told.lagging.told), MicrosOrNull(told.lagging.since),
             Bool(told.disconnected.told), MicrosOrNull(told.disconnected.since),
             told.synced ? pg::Param(Bool(*told.synced)) : pg::Param(),
             MicrosOrNull(told.rescan_time), told.rescan_reason, pg::Micros(row.look_time)})
      .status();
}

absl::StatusOr<absl::Time> DatabaseTime(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kNow));
  return result.Time(0, 0).value_or(absl::UnixEpoch());
}

}  // namespace godwit::registry::storage
