#include "services/gateway/mgn/rpc/replication_json.h"

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "godwit/replication/v1/replication.pb.h"
#include "services/gateway/mgn/rpc/proto_time.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::replication::v1;
using nlohmann::json;
using registry::v1::SourceServer;

std::string ErrorWord(pb::Replication::StallCause cause) {
  switch (cause) {
    case pb::Replication::STAGING_FULL:
      return "SNAPSHOTS_FAILURE";
    case pb::Replication::NO_WORKER_AVAILABLE:
      return "FAILED_TO_LAUNCH_REPLICATION_SERVER";
    case pb::Replication::SOURCE_READ_ERROR:
      return "FAILED_TO_START_DATA_TRANSFER";
    case pb::Replication::STALL_CAUSE_UNSPECIFIED:
      return "NOT_CONVERGING";
    default:
      return pb::Replication::StallCause_Name(cause);
  }
}

json InitiationJson(const pb::Replication& replication) {
  json steps = json::array();
  for (const pb::InitiationStep& step : replication.initiation_steps()) {
    if (step.step() == pb::InitiationStep::STEP_UNSPECIFIED) continue;
    const auto status = step.status() == pb::InitiationStep::STATUS_UNSPECIFIED
                            ? pb::InitiationStep::NOT_STARTED
                            : step.status();
    steps.push_back({{"name", pb::InitiationStep::Step_Name(step.step())},
                     {"status", pb::InitiationStep::Status_Name(status)}});
  }
  return {{"steps", steps}};
}

// A server that left the service has no staging: MGN shows totals of 0 then.
json DisksJson(const pb::Replication& replication, bool gone) {
  json disks = json::array();
  for (const pb::ReplicatedDisk& disk : replication.disks()) {
    disks.push_back({{"deviceName", disk.device_name()},
                     {"totalStorageBytes", gone ? 0 : disk.total_bytes()},
                     {"replicatedStorageBytes", gone ? 0 : disk.replicated_bytes()},
                     {"rescannedStorageBytes", gone ? 0 : disk.rescanned_bytes()},
                     {"backloggedStorageBytes", gone ? 0 : disk.backlog_bytes()}});
  }
  return disks;
}

}  // namespace

json DataReplicationJson(const SourceServer& server, const pb::Replication* replication) {
  const bool left = server.lifecycle_state() == SourceServer::DISCONNECTED ||
                    server.lifecycle_state() == SourceServer::CUTOVER;
  if (replication == nullptr || replication->state() == pb::Replication::STATE_UNSPECIFIED) {
    return {{"dataReplicationState", left ? "DISCONNECTED" : "STOPPED"},
            {"dataReplicationInitiation", {{"steps", json::array()}}},
            {"replicatedDisks", json::array()}};
  }
  const bool gone = left || replication->state() == pb::Replication::DISCONNECTED;
  json out = {{"dataReplicationState",
               gone ? "DISCONNECTED" : pb::Replication::State_Name(replication->state())},
              {"dataReplicationInitiation", InitiationJson(*replication)},
              {"replicatedDisks", DisksJson(*replication, gone)}};
  PutTime(out, "lastSnapshotDateTime", replication->has_latest_point_time(),
          replication->latest_point_time());
  if (gone) return out;
  // Its presence is what "launchable" means to clients.
  if (replication->has_lag()) {
    out["lagDuration"] = DurationText(absl::Seconds(replication->lag().seconds()));
  }
  PutTime(out, "etaDateTime", replication->has_eta_time(), replication->eta_time());
  if (replication->state() == pb::Replication::STALLED) {
    out["dataReplicationError"] = {
        {"error", ErrorWord(replication->stall_cause())},
        {"rawError", absl::StrCat(pb::Replication::StallCause_Name(replication->stall_cause()),
                                  ": ", replication->error().message())}};
  }
  return out;
}

}  // namespace godwit::gateway::mgn
