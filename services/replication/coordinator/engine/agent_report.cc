#include "services/replication/coordinator/engine/agent_report.h"

#include <algorithm>

#include "services/replication/coordinator/domain/replication_state.h"

namespace godwit::coordinator {
namespace {

// Older figures say nothing of the present speed.
constexpr absl::Duration kSpeedGap = absl::Minutes(5);

double DrainSpeed(const Server& before, const Server& reported) {
  const bool same_run = before.agent_seen_time && before.boot_id == reported.boot_id &&
                        before.now - *before.agent_seen_time < kSpeedGap;
  if (!same_run) return 0;
  return Smooth(before.drain_bytes_per_second, BacklogBytes(before), BacklogBytes(reported),
                before.now - *before.agent_seen_time);
}

}  // namespace

Server AfterReport(const Server& before, const AgentReport& report, const Found& found) {
  const Server& reported = report.server;
  Server out = before;
  out.agent_seen_time = before.now;
  out.agent_version = reported.agent_version;
  out.boot_id = reported.boot_id;
  out.agent_released = report.released || before.agent_released;
  out.phase = reported.phase;
  out.connected_generation = reported.connected_generation;
  out.wire_bytes = reported.wire_bytes;
  out.sent_bytes = reported.sent_bytes;
  out.bytes_per_second = reported.bytes_per_second;
  out.codec = reported.codec;
  out.drain_bytes_per_second = DrainSpeed(before, reported);
  out.bottleneck_stage = reported.bottleneck_stage;
  out.bottleneck_permille = reported.bottleneck_permille;
  out.bottleneck_action = reported.bottleneck_action;
  out.bottleneck_shares = reported.bottleneck_shares;
  out.losses = reported.losses;
  out.rescan_count = reported.rescan_count;
  out.rescan_reason = reported.rescan_reason;
  out.rescan_time = reported.rescan_time;
  out.agent_error = reported.agent_error;
  out.agent_cause = reported.agent_cause;
  out.abandoned_cut_count = reported.abandoned_cut_count;
  out.reported_lag = reported.reported_lag;
  out.disks = reported.disks;
  if (report.verification) TakeOver(*report.verification, found, before.now, out);
  if (before.generation > 0 && reported.connected_generation == before.generation) {
    if (reported.reported_lag) {
      out.idle_time = before.now - *reported.reported_lag;
    } else if (reported.phase == Phase::kIdle && BacklogBytes(reported) == 0) {
      out.idle_time = before.now;
    }
  }
  return out;
}

bool SameDisks(const Server& a, const Server& b) {
  return std::equal(a.disks.begin(), a.disks.end(), b.disks.begin(), b.disks.end(),
                    [](const Disk& x, const Disk& y) {
                      return x.disk_id == y.disk_id && x.device_name == y.device_name &&
                             x.size_bytes == y.size_bytes && x.is_boot_disk == y.is_boot_disk;
                    });
}

bool WasSilent(const Server& before) {
  return before.agent_seen_time &&
         before.now - *before.agent_seen_time > StateLimits().agent_silence;
}

}  // namespace godwit::coordinator
