#include "services/replication/coordinator/rpc/convert.h"

#include "absl/strings/str_cat.h"
#include "services/replication/coordinator/domain/replication_state.h"
#include "services/replication/coordinator/rpc/fields.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

static_assert(static_cast<int>(State::kDisconnected) == pb::Replication::DISCONNECTED);
static_assert(static_cast<int>(State::kRescan) == pb::Replication::RESCAN);
static_assert(static_cast<int>(StallCause::kFailedToStartDataTransfer) ==
              pb::Replication::FAILED_TO_START_DATA_TRANSFER);
static_assert(static_cast<int>(StallCause::kSourceReadError) == pb::Replication::SOURCE_READ_ERROR);
static_assert(static_cast<int>(Step::kStartDataTransfer) ==
              pb::InitiationStep::START_DATA_TRANSFER);
static_assert(static_cast<int>(VerificationState::kFailed) == pb::Verification::FAILED);
static_assert(static_cast<int>(StepStatus::kSkipped) == pb::InitiationStep::SKIPPED);

constexpr int kUnavailable = 14;

std::string ServerName(const std::string& id) { return absl::StrCat("sourceServers/", id); }

void StepsToProto(const Server& server, pb::Replication* out) {
  const Steps steps = StepsOf(server);
  for (int i = 0; i < kStepCount; ++i) {
    pb::InitiationStep* step = out->add_initiation_steps();
    step->set_step(static_cast<pb::InitiationStep::Step>(i + 1));
    step->set_status(static_cast<pb::InitiationStep::Status>(steps[static_cast<std::size_t>(i)]));
  }
}

void HealthToProto(const Server& server, pb::CaptureHealth* out) {
  for (const auto& [kind, count] : server.losses) {
    pb::Loss* loss = out->add_losses();
    loss->set_kind(static_cast<pb::Loss::Kind>(kind));
    loss->set_count(count);
  }
  out->set_rescan_count(server.rescan_count);
  out->set_rescan_reason(server.rescan_reason);
  if (server.rescan_time) SetTime(*server.rescan_time, out->mutable_rescan_time());
}

}  // namespace

void ToProto(const Server& server, pb::Replication* out) {
  const std::string name = ServerName(server.id);
  out->set_name(absl::StrCat(name, "/replication"));
  out->set_state(static_cast<pb::Replication::State>(server.state));
  SetTime(server.state_time, out->mutable_state_time());
  const bool active = server.wish == Wish::kReplicate || server.wish == Wish::kPause;
  if (active) StepsToProto(server, out);
  // A disconnected server's totals are zero.
  if (server.state != State::kDisconnected) {
    for (const Disk& disk : server.disks) {
      pb::ReplicatedDisk* to = out->add_disks();
      to->set_disk_id(disk.disk_id);
      to->set_device_name(disk.device_name);
      to->set_total_bytes(disk.size_bytes);
      to->set_replicated_bytes(disk.replicated_bytes);
      to->set_rescanned_bytes(disk.rescanned_bytes);
      to->set_backlog_bytes(disk.pending_bytes);
      to->set_tracker(disk.tracker);
    }
    out->set_backlog_bytes(BacklogBytes(server));
    out->set_wire_bytes(server.wire_bytes);
    out->set_sent_bytes(server.sent_bytes);
  }
  if (active) {
    if (const auto lag = Lag(server)) SetDuration(*lag, out->mutable_lag());
    if (const auto eta = Eta(server)) SetTime(*eta, out->mutable_eta_time());
    out->set_bytes_per_second(server.bytes_per_second);
    out->set_codec(server.codec);
    if (server.bottleneck_stage != 0) {
      out->mutable_bottleneck()->set_stage(
          static_cast<pb::Bottleneck::Stage>(server.bottleneck_stage));
      out->mutable_bottleneck()->set_busy_permille(server.bottleneck_permille);
      out->mutable_bottleneck()->set_action(server.bottleneck_action);
      for (const auto& [stage, permille] : server.bottleneck_shares) {
        pb::StageShare* share = out->mutable_bottleneck()->add_shares();
        share->set_stage(static_cast<pb::Bottleneck::Stage>(stage));
        share->set_permille(static_cast<int>(permille));
      }
    }
  }
  HealthToProto(server, out->mutable_health());
  out->set_stored_bytes(server.group_allocated_bytes);
  if (server.state == State::kStalled) {
    out->set_stall_cause(static_cast<pb::Replication::StallCause>(server.stall_cause));
    out->mutable_error()->set_code(kUnavailable);
    out->mutable_error()->set_message(server.error_message);
  }
  if (!server.worker_id.empty()) {
    out->set_worker(absl::StrCat("workers/", server.worker_id));
    out->set_lease_generation(server.generation);
  }
  if (server.agent_seen_time) SetTime(*server.agent_seen_time, out->mutable_agent_seen_time());
  if (!server.latest_point_id.empty()) {
    out->set_latest_point(absl::StrCat(name, "/points/", server.latest_point_id));
    SetTime(*server.latest_cut_time, out->mutable_latest_point_time());
  }
  if (server.verified_time) SetTime(*server.verified_time, out->mutable_verified_time());
  out->set_difference_count(server.difference_count);
  for (auto row = server.differences.rbegin(); row != server.differences.rend(); ++row) {
    ToProto(*row, out->add_differences());
  }
}

void ToProto(const Difference& difference, pb::Difference* out) {
  out->set_disk_id(difference.disk_id);
  out->set_offset_bytes(difference.offset_bytes);
  out->set_size_bytes(difference.size_bytes);
  SetTime(difference.found_time, out->mutable_found_time());
  out->set_cause(static_cast<pb::Difference::Cause>(difference.cause));
}

void ToProto(const Verification& verification, pb::Verification* out) {
  const std::string server = ServerName(verification.server_id);
  out->set_name(absl::StrCat(server, "/verifications/", verification.id));
  out->set_state(static_cast<pb::Verification::State>(verification.state));
  SetTime(verification.create_time, out->mutable_create_time());
  if (verification.start_time) SetTime(*verification.start_time, out->mutable_start_time());
  if (verification.end_time) SetTime(*verification.end_time, out->mutable_end_time());
  out->set_compared_bytes(verification.compared_bytes);
  out->set_total_bytes(verification.total_bytes);
  for (const Difference& row : verification.differences) ToProto(row, out->add_differences());
  out->set_difference_count(verification.difference_count);
  if (!verification.point_id.empty()) {
    out->set_point(absl::StrCat(server, "/points/", verification.point_id));
  }
  out->set_root_hash(verification.root_hash);
  out->set_error_message(verification.error_message);
  out->set_report(verification.report);
}

void ToProto(const Worker& worker, pb::Worker* out) {
  out->set_name(absl::StrCat("workers/", worker.id));
  out->set_state(worker.dead                         ? pb::Worker::DEAD
                 : worker.draining || worker.leaving ? pb::Worker::DRAINING
                                                     : pb::Worker::ACTIVE);
  out->set_endpoint(worker.endpoint);
  for (const auto& [key, value] : worker.labels) (*out->mutable_labels())[key] = value;
  out->set_server_count(worker.server_count);
  out->set_max_server_count(worker.max_server_count);
  out->set_store_total_bytes(worker.store_total_bytes);
  out->set_store_free_bytes(worker.store_free_bytes);
  SetTime(worker.seen_time, out->mutable_seen_time());
  out->set_version(worker.version);
  out->set_store_id(worker.store_id);
}

void ToProto(const store::Point& point, pb::Point* out) {
  out->set_name(absl::StrCat(ServerName(point.server_id), "/points/", point.id));
  SetTime(point.cut_time, out->mutable_cut_time());
  SetTime(point.commit_time, out->mutable_commit_time());
  out->set_epoch(point.epoch);
  out->set_consistency(static_cast<pb::Point::Consistency>(point.consistency));
  out->set_description(point.description);
  out->set_pinned(point.pinned);
  out->set_root_hash(point.root_hash);
  out->set_changed_bytes(point.changed_bytes);
  SetDuration(point.freeze_time, out->mutable_freeze_time());
  if (point.quiesce_time) SetTime(*point.quiesce_time, out->mutable_quiesce_time());
  out->set_clone_count(point.clone_count);
  if (point.own_bytes) out->set_own_bytes(*point.own_bytes);
  if (point.expire_time) SetTime(*point.expire_time, out->mutable_expire_time());
}

void ToProto(const store::Clone& clone, pb::Clone* out) {
  const std::string server = ServerName(clone.server_id);
  out->set_name(absl::StrCat(server, "/clones/", clone.id));
  if (!clone.point_id.empty()) out->set_point(absl::StrCat(server, "/points/", clone.point_id));
  for (const store::CloneDisk& disk : clone.disks) {
    pb::CloneDisk* to = out->add_disks();
    to->set_disk_id(disk.disk_id);
    to->set_device_name(disk.device_name);
    to->set_size_bytes(disk.size_bytes);
    to->set_is_boot_disk(disk.is_boot_disk);
    if (!disk.nbd_uri.empty()) {
      to->set_nbd_uri(disk.nbd_uri);
    } else {
      to->set_path(disk.path);
    }
  }
  SetTime(clone.create_time, out->mutable_create_time());
}

}  // namespace godwit::coordinator
