#include "services/replication/coordinator/store/report_batch.h"

#include <nlohmann/json.hpp>

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
    " from json_to_recordset($1::json) as r (id text, agent_version text, boot_id text,"
    "  phase smallint, connected_generation bigint, wire_bytes bigint, sent_bytes bigint,"
    "  bytes_per_second bigint, drain_bytes_per_second float8, bottleneck_stage smallint,"
    "  bottleneck_permille int, bottleneck_action text, agent_error text, agent_cause smallint,"
    "  abandoned_cut_count int, idle_time bigint, verified_time bigint, difference_count bigint,"
    "  agent_difference_count bigint, differences text, bottleneck_shares text, losses text,"
    "  rescan_count int, rescan_reason text, rescan_time bigint, codec text, error_message text,"
    "  transferring bool, flowing bool, attempt bool, state smallint, stall_cause smallint)"
    " where s.id = r.id"};
constexpr pg::Statement kDisks = {
    "disk_reports",
    "update replication.disk d set tracker = r.tracker, pending_bytes = r.pending_bytes,"
    " replicated_bytes = r.replicated_bytes, rescanned_bytes = r.rescanned_bytes"
    " from json_to_recordset($1::json) as r (server_id text, disk_id text, tracker text,"
    "  pending_bytes bigint, replicated_bytes bigint, rescanned_bytes bigint)"
    " where d.server_id = r.server_id and d.disk_id = r.disk_id"};

using Json = nlohmann::json;

Json Micros(const std::optional<absl::Time>& time) {
  return time ? Json(absl::ToUnixMicros(*time)) : Json();
}

Json RowOf(const Reported& reported) {
  const Server& server = reported.server;
  return {{"id", server.id},
          {"agent_version", server.agent_version},
          {"boot_id", server.boot_id},
          {"phase", static_cast<int>(server.phase)},
          {"connected_generation", server.connected_generation},
          {"wire_bytes", server.wire_bytes},
          {"sent_bytes", server.sent_bytes},
          {"bytes_per_second", server.bytes_per_second},
          {"drain_bytes_per_second", server.drain_bytes_per_second},
          {"bottleneck_stage", server.bottleneck_stage},
          {"bottleneck_permille", server.bottleneck_permille},
          {"bottleneck_action", server.bottleneck_action},
          {"agent_error", server.agent_error},
          {"agent_cause", static_cast<int>(server.agent_cause)},
          {"abandoned_cut_count", server.abandoned_cut_count},
          {"idle_time", Micros(server.idle_time)},
          {"verified_time", Micros(server.verified_time)},
          {"difference_count", server.difference_count},
          {"agent_difference_count", server.agent_difference_count},
          {"differences", WriteDifferences(server.differences)},
          {"bottleneck_shares", ToText(server.bottleneck_shares)},
          {"losses", ToText(server.losses)},
          {"rescan_count", server.rescan_count},
          {"rescan_reason", server.rescan_reason},
          {"rescan_time", Micros(server.rescan_time)},
          {"codec", server.codec},
          {"error_message", server.error_message},
          {"transferring", server.transferring},
          {"flowing", reported.flowing},
          {"attempt", reported.attempt},
          {"state", static_cast<int>(server.state)},
          {"stall_cause", static_cast<int>(server.stall_cause)}};
}

// Texts that are no UTF-8 were replaced before; should one be left, it does not end the process.
std::string Text(const Json& rows) {
  return rows.dump(-1, ' ', false, Json::error_handler_t::replace);
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
  Json rows = Json::array(), disks = Json::array();
  for (const Reported& reported : servers) {
    rows.push_back(RowOf(reported));
    if (!reported.disks_progress) continue;
    for (const Disk& disk : reported.server.disks) {
      disks.push_back({{"server_id", reported.server.id},
                       {"disk_id", disk.disk_id},
                       {"tracker", disk.tracker},
                       {"pending_bytes", disk.pending_bytes},
                       {"replicated_bytes", disk.replicated_bytes},
                       {"rescanned_bytes", disk.rescanned_bytes}});
    }
  }
  RETURN_IF_ERROR(connection.Exec(kReports, {Text(rows)}).status());
  for (const Reported& reported : servers) {
    if (reported.changed) RETURN_IF_ERROR(Remember(connection, reported.server.id));
  }
  if (disks.empty()) return absl::OkStatus();
  return connection.Exec(kDisks, {Text(disks)}).status();
}

}  // namespace godwit::coordinator::store
