#include "services/replication/coordinator/store/report_batch.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/domain/verification.h"
#include "services/replication/coordinator/store/params.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator::store {
namespace {

constexpr pg::Statement kOrders = {
    "servers_with_orders",
    "select server_id from replication.point_request where server_id = any($1::text[])"
    "  and state in (1, 2) and deadline > clock_timestamp()"
    " union select server_id from replication.verification where server_id = any($1::text[])"
    "  and state in (1, 2, 3)"};
constexpr pg::Statement kReports = {
    "server_reports",
    "update replication.server s set agent_seen_time = clock_timestamp(),"
    " agent_version = r.agent_version, boot_id = r.boot_id, phase = r.phase,"
    " connected_generation = r.connected_generation, wire_bytes = r.wire_bytes,"
    " sent_bytes = r.sent_bytes, bytes_per_second = r.bytes_per_second,"
    " drain_bytes_per_second = r.drain_bytes_per_second, bottleneck_stage = r.bottleneck_stage,"
    " bottleneck_permille = r.bottleneck_permille, bottleneck_action = r.bottleneck_action,"
    " agent_error = r.agent_error, agent_cause = r.agent_cause,"
    " abandoned_cut_count = r.abandoned_cut_count, idle_time = to_timestamp(r.idle_time / 1e6),"
    " verified_time = to_timestamp(r.verified_time / 1e6), difference_count = r.difference_count,"
    " agent_difference_count = r.agent_difference_count, differences = r.differences,"
    " bottleneck_shares = r.bottleneck_shares, losses = r.losses, rescan_count = r.rescan_count,"
    " rescan_reason = r.rescan_reason, rescan_time = to_timestamp(r.rescan_time / 1e6),"
    " attempt_time = case when r.attempt then clock_timestamp() else s.attempt_time end,"
    " state_time = case when s.state = r.state then s.state_time else clock_timestamp() end,"
    " state = r.state, stall_cause = r.stall_cause,"
    " codec = r.codec, error_message = r.error_message, transferring = r.transferring,"
    " flow_time = case when r.flowing then clock_timestamp() else s.flow_time end,"
    " update_time = clock_timestamp()"
    " from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::bigint[],"
    "  $7::bigint[], $8::bigint[], $9::float8[], $10::smallint[], $11::int[], $12::text[],"
    "  $13::text[], $14::smallint[], $15::int[], $16::bigint[], $17::bigint[], $18::bigint[],"
    "  $19::bigint[], $20::text[], $21::text[], $22::text[], $23::int[], $24::text[],"
    "  $25::bigint[], $26::text[], $27::text[], $28::bool[], $29::bool[], $30::bool[],"
    "  $31::smallint[], $32::smallint[]) as r (id, agent_version, boot_id, phase,"
    "  connected_generation, wire_bytes, sent_bytes, bytes_per_second, drain_bytes_per_second,"
    "  bottleneck_stage, bottleneck_permille, bottleneck_action, agent_error, agent_cause,"
    "  abandoned_cut_count, idle_time, verified_time, difference_count, agent_difference_count,"
    "  differences, bottleneck_shares, losses, rescan_count, rescan_reason, rescan_time, codec,"
    "  error_message, transferring, flowing, attempt, state, stall_cause)"
    " where s.id = r.id"};
constexpr pg::Statement kDisks = {
    "disk_reports",
    "update replication.disk d set tracker = r.tracker, pending_bytes = r.pending_bytes,"
    " replicated_bytes = r.replicated_bytes, rescanned_bytes = r.rescanned_bytes"
    " from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])"
    "  as r (server_id, disk_id, tracker, pending_bytes, replicated_bytes, rescanned_bytes)"
    " where d.server_id = r.server_id and d.disk_id = r.disk_id"};

// One column of many rows as an array: the planner takes such a list for a short one and finds the
// rows by their keys, where it would read a whole table for a list in JSON.
class Column {
 public:
  void Add(absl::string_view text) {
    Next("\"");
    for (const char c : text) {
      if (c == '"' || c == '\\') out_.push_back('\\');
      out_.push_back(c);
    }
    out_.push_back('"');
  }
  void Add(bool value) { Next(value ? "t" : "f"); }
  void Add(double value) { Next(absl::StrCat(value)); }
  void Add(std::int64_t value) { Next(absl::StrCat(value)); }
  void Add(int value) { Next(absl::StrCat(value)); }
  void Add(const std::optional<absl::Time>& time) {
    Next(time ? absl::StrCat(absl::ToUnixMicros(*time)) : "null");
  }
  pg::Param Take() { return absl::StrCat(std::move(out_), "}"); }

 private:
  void Next(absl::string_view text) { absl::StrAppend(&out_, out_.empty() ? "{" : ",", text); }
  std::string out_;
};

// Adds the values of one row, a column each.
template <typename... Values>
void AddRow(std::vector<Column>& columns, const Values&... values) {
  columns.resize(sizeof...(values));
  auto column = columns.begin();
  ((column++)->Add(values), ...);
}

void AddServer(std::vector<Column>& columns, const Reported& reported) {
  const Server& server = reported.server;
  AddRow(columns, server.id, server.agent_version, server.boot_id, static_cast<int>(server.phase),
         server.connected_generation, server.wire_bytes, server.sent_bytes, server.bytes_per_second,
         server.drain_bytes_per_second, server.bottleneck_stage, server.bottleneck_permille,
         server.bottleneck_action, server.agent_error, static_cast<int>(server.agent_cause),
         server.abandoned_cut_count, server.idle_time, server.verified_time,
         server.difference_count, server.agent_difference_count,
         WriteDifferences(server.differences), ToText(server.bottleneck_shares),
         ToText(server.losses), server.rescan_count, server.rescan_reason, server.rescan_time,
         server.codec, server.error_message, server.transferring, reported.flowing,
         reported.attempt, static_cast<int>(server.state), static_cast<int>(server.stall_cause));
}

std::vector<pg::Param> Params(std::vector<Column> columns) {
  std::vector<pg::Param> out;
  out.reserve(columns.size());
  for (Column& column : columns) out.push_back(column.Take());
  return out;
}

}  // namespace

absl::StatusOr<std::set<std::string>> WithOrders(pg::Connection& connection,
                                                 const std::vector<std::string>& ids) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kOrders, {Ids(ids)}));
  std::set<std::string> out;
  for (int i = 0; i < found.rows(); ++i) out.emplace(found.Text(i, 0));
  return out;
}

absl::Status SaveReports(pg::Connection& connection, const std::vector<Reported>& servers) {
  if (servers.empty()) return absl::OkStatus();
  std::vector<Column> rows, disks;
  for (const Reported& reported : servers) {
    AddServer(rows, reported);
    if (!reported.disks_progress) continue;
    for (const Disk& disk : reported.server.disks) {
      AddRow(disks, reported.server.id, disk.disk_id, disk.tracker, disk.pending_bytes,
             disk.replicated_bytes, disk.rescanned_bytes);
    }
  }
  RETURN_IF_ERROR(connection.Exec(kReports, Params(std::move(rows))).status());
  for (const Reported& reported : servers) {
    if (reported.changed) RETURN_IF_ERROR(Remember(connection, reported.server.id));
  }
  if (disks.empty()) return absl::OkStatus();
  return connection.Exec(kDisks, Params(std::move(disks))).status();
}

}  // namespace godwit::coordinator::store
