#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/engine/heartbeat_queue.h"
#include "services/replication/coordinator/rpc/fields.h"
#include "services/replication/coordinator/rpc/handlers.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr int kMostDisks = 50;
constexpr absl::Duration kMostLag = absl::Hours(24 * 3650);
constexpr std::int64_t kSector = 512;
constexpr std::int64_t kLeastDisk = 1 << 20;
constexpr std::int64_t kMostDisk = std::int64_t{64} << 40;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 60;

std::int64_t Count(std::int64_t value) { return std::clamp<std::int64_t>(value, 0, kMostBytes); }

absl::StatusOr<std::vector<Disk>> ReadDisks(const pb::HeartbeatRequest& request) {
  if (request.disks().empty()) return rpc::FieldError("disks", "at least one is required");
  RETURN_IF_ERROR(CheckRange("disks", request.disks_size(), 1, kMostDisks));
  std::vector<Disk> out;
  std::set<std::string> seen;
  int boot_disks = 0;
  for (int i = 0; i < request.disks_size(); ++i) {
    const pb::AgentDisk& in = request.disks(i);
    const std::string field = absl::StrCat("disks[", i, "].");
    RETURN_IF_ERROR(CheckId(field + "disk_id", "d-", in.disk_id()));
    if (!seen.insert(in.disk_id()).second) {
      return rpc::FieldError(field + "disk_id", "appears twice");
    }
    RETURN_IF_ERROR(CheckRequired(field + "device_name", in.device_name(), 256));
    RETURN_IF_ERROR(CheckRange(field + "size_bytes", in.size_bytes(), kLeastDisk, kMostDisk));
    if (in.size_bytes() % kSector != 0) {
      return rpc::FieldError(field + "size_bytes", "is no multiple of 512");
    }
    boot_disks += in.is_boot_disk() ? 1 : 0;
    out.push_back({.disk_id = in.disk_id(),
                   .device_name = in.device_name(),
                   .size_bytes = in.size_bytes(),
                   .is_boot_disk = in.is_boot_disk(),
                   .tracker = Clean(in.tracker(), 256)});
  }
  if (boot_disks > 1) return rpc::FieldError("disks", "more than one boot disk");
  return out;
}

absl::Status ReadHealth(const pb::CaptureHealth& health, Server& out) {
  for (const pb::Loss& loss : health.losses()) {
    if (pb::Loss::Kind_IsValid(loss.kind()) && loss.count() > 0 &&
        out.losses.size() < pb::Loss::Kind_ARRAYSIZE) {
      out.losses.emplace_back(loss.kind(), loss.count());
    }
  }
  out.rescan_count = std::max(health.rescan_count(), 0);
  out.rescan_reason = Clean(health.rescan_reason());
  if (!health.has_rescan_time()) return absl::OkStatus();
  ASSIGN_OR_RETURN(out.rescan_time, ToTime("progress.health.rescan_time", health.rescan_time()));
  return absl::OkStatus();
}

absl::Status ReadProgress(const pb::AgentProgress& progress, Server& out) {
  if (!pb::AgentProgress::Phase_IsValid(progress.phase())) {
    return rpc::FieldError("progress.phase", "is not known");
  }
  if (!pb::Replication::StallCause_IsValid(progress.stall_cause())) {
    return rpc::FieldError("progress.stall_cause", "is not known");
  }
  RETURN_IF_ERROR(CheckRange("progress.disks", progress.disks_size(), 0, kMostDisks));
  out.phase = static_cast<Phase>(progress.phase());
  out.wire_bytes = Count(progress.wire_bytes());
  out.codec = Clean(progress.codec(), 32);
  out.sent_bytes = Count(progress.sent_bytes());
  out.bytes_per_second = Count(progress.bytes_per_second());
  out.bottleneck_stage = pb::Bottleneck::Stage_IsValid(progress.bottleneck().stage())
                             ? progress.bottleneck().stage()
                             : 0;
  out.bottleneck_permille = std::clamp(progress.bottleneck().busy_permille(), 0, 1000);
  out.bottleneck_action = Clean(progress.bottleneck().action());
  for (const pb::StageShare& share : progress.bottleneck().shares()) {
    if (pb::Bottleneck::Stage_IsValid(share.stage()) &&
        out.bottleneck_shares.size() < pb::Bottleneck::Stage_ARRAYSIZE) {
      out.bottleneck_shares.emplace_back(share.stage(), std::clamp(share.permille(), 0, 1000));
    }
  }
  RETURN_IF_ERROR(ReadHealth(progress.health(), out));
  out.agent_error = Clean(progress.error_message());
  out.agent_cause = static_cast<StallCause>(progress.stall_cause());
  out.abandoned_cut_count = std::max(progress.abandoned_cut_count(), 0);
  out.connected_generation = std::max<std::int64_t>(progress.connected_generation(), 0);
  if (progress.has_lag()) {
    out.reported_lag = std::clamp(
        absl::Seconds(progress.lag().seconds()) + absl::Nanoseconds(progress.lag().nanos()),
        absl::ZeroDuration(), kMostLag);
  }
  for (int i = 0; i < progress.disks_size(); ++i) {
    const pb::AgentDiskProgress& in = progress.disks(i);
    const auto disk = std::find_if(out.disks.begin(), out.disks.end(), [&](const Disk& candidate) {
      return candidate.disk_id == in.disk_id();
    });
    if (disk == out.disks.end()) {
      return rpc::FieldError(absl::StrCat("progress.disks[", i, "].disk_id"), "is not among disks");
    }
    disk->pending_bytes = Count(in.pending_bytes());
    disk->replicated_bytes = Count(in.replicated_bytes());
    disk->rescanned_bytes = Count(in.rescanned_bytes());
  }
  return absl::OkStatus();
}

absl::StatusOr<Difference> ReadDifference(const std::string& field, const pb::Difference& in) {
  RETURN_IF_ERROR(CheckId(field + "disk_id", "d-", in.disk_id()));
  RETURN_IF_ERROR(CheckRange(field + "offset_bytes", in.offset_bytes(), 0, kMostDisk));
  RETURN_IF_ERROR(CheckRange(field + "size_bytes", in.size_bytes(), 1, kMostDisk));
  ASSIGN_OR_RETURN(const absl::Time found, ToTime(field + "found_time", in.found_time()));
  return Difference{.disk_id = in.disk_id(),
                    .offset_bytes = in.offset_bytes(),
                    .size_bytes = in.size_bytes(),
                    // As precise as it is stored: rows are compared with stored ones.
                    .found_time = absl::FromUnixMicros(absl::ToUnixMicros(found)),
                    .cause = pb::Difference::Cause_IsValid(in.cause()) ? in.cause() : 0};
}

absl::StatusOr<AgentVerification> ReadVerification(const pb::VerificationProgress& in) {
  const std::string field = "progress.verification.";
  AgentVerification out{.compared_bytes = Count(in.compared_bytes()),
                        .total_bytes = Count(in.total_bytes()),
                        .difference_count = Count(in.difference_count()),
                        .finished_request_id = in.finished_request_id(),
                        .finished_compared_bytes = Count(in.finished_compared_bytes())};
  if (!out.finished_request_id.empty()) {
    RETURN_IF_ERROR(CheckUuid(field + "finished_request_id", out.finished_request_id));
  }
  if (in.has_pass_end_time()) {
    ASSIGN_OR_RETURN(out.pass_end_time, ToTime(field + "pass_end_time", in.pass_end_time()));
  }
  if (in.has_finished_start_time()) {
    ASSIGN_OR_RETURN(out.finished_start_time,
                     ToTime(field + "finished_start_time", in.finished_start_time()));
  }
  if (in.has_finished_end_time()) {
    ASSIGN_OR_RETURN(out.finished_end_time,
                     ToTime(field + "finished_end_time", in.finished_end_time()));
  }
  RETURN_IF_ERROR(CheckRange(field + "differences", in.differences_size(), 0, kMostDifferences));
  for (int i = 0; i < in.differences_size(); ++i) {
    ASSIGN_OR_RETURN(Difference row, ReadDifference(absl::StrCat(field, "differences[", i, "]."),
                                                    in.differences(i)));
    out.differences.push_back(std::move(row));
  }
  return out;
}

absl::StatusOr<AgentReport> ReadReport(const std::string& server_id,
                                       const pb::HeartbeatRequest& request) {
  RETURN_IF_ERROR(CheckId("certificate", "s-", server_id));
  AgentReport out{.released = request.released()};
  out.server.id = server_id;
  RETURN_IF_ERROR(CheckRequired("agent_version", request.agent_version(), 64));
  RETURN_IF_ERROR(CheckRequired("boot_id", request.boot_id(), 64));
  out.server.agent_version = request.agent_version();
  out.server.boot_id = request.boot_id();
  ASSIGN_OR_RETURN(out.server.disks, ReadDisks(request));
  RETURN_IF_ERROR(ReadProgress(request.progress(), out.server));
  if (request.progress().has_verification()) {
    ASSIGN_OR_RETURN(out.verification, ReadVerification(request.progress().verification()));
  }
  if (request.has_point_report()) {
    const pb::PointReport& in = request.point_report();
    RETURN_IF_ERROR(CheckUuid("point_report.request_id", in.request_id()));
    out.point.emplace(AgentReport::Point{.request_id = in.request_id(),
                                         .failed = in.failed(),
                                         .error_message = Clean(in.error_message())});
    if (in.has_quiesce_time()) {
      ASSIGN_OR_RETURN(out.point->quiesce_time,
                       ToTime("point_report.quiesce_time", in.quiesce_time()));
    }
  }
  return out;
}

void WriteAnswer(const AgentAnswer& answer, pb::Directive* out) {
  out->set_action(static_cast<pb::Directive::Action>(answer.action));
  SetDuration(answer.heartbeat_interval, out->mutable_heartbeat_interval());
  const Settings& settings = answer.settings;
  pb::AgentSettings* to = out->mutable_settings();
  to->set_bandwidth_limit_bytes_per_second(settings.bandwidth.limit_bytes_per_second);
  to->set_sending_paused(settings.bandwidth.paused);
  to->set_lane_count(settings.lane_count);
  SetDuration(settings.cut_interval, to->mutable_cut_interval());
  SetDuration(settings.freeze_budget, to->mutable_freeze_budget());
  to->set_never_freeze(settings.never_freeze);
  if (answer.action != Action::kReplicate) return;
  out->mutable_assignment()->set_worker(absl::StrCat("workers/", answer.server.worker_id));
  out->mutable_assignment()->set_endpoint(answer.server.worker_endpoint);
  out->mutable_assignment()->set_lease_generation(answer.server.generation);
  if (!answer.verify_order.empty()) {
    out->mutable_verify_order()->set_request_id(answer.verify_order);
  }
  if (!answer.point_order) return;
  out->mutable_point_order()->set_request_id(answer.point_order->id);
  out->mutable_point_order()->set_quiesce(answer.point_order->quiesce);
  out->mutable_point_order()->set_stay_quiesced(answer.point_order->stay_quiesced);
  out->mutable_point_order()->set_root_hash(answer.point_order->root_hash);
}

// Heartbeats are a callback method: a thread each would be more threads than a coordinator has.
using Base = pb::AgentService::WithCallbackMethod_Heartbeat<pb::AgentService::Service>;

class AgentHandler final : public Base, public Handler {
 public:
  explicit AgentHandler(AgentReports& agents) : queue_(agents, RealClock()) {}
  grpc::Service* service() override { return this; }

  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const pb::HeartbeatRequest* request,
                                      pb::Directive* response) override {
    return rpc::ServeLater(context, "replication.AgentHeartbeat", rpc::kAgents,
                           [&](const rpc::Call& call, const rpc::Done& done) {
                             absl::StatusOr<AgentReport> report =
                                 ReadReport(call.peer.id, *request);
                             if (!report.ok()) return done(report.status());
                             queue_.Add(*std::move(report), call.deadline - SteadyNow(),
                                        [response, done](absl::StatusOr<AgentAnswer> answer) {
                                          if (answer.ok()) WriteAnswer(*answer, response);
                                          done(answer.status());
                                        });
                           });
  }

 private:
  HeartbeatQueue queue_;
};

}  // namespace

std::unique_ptr<Handler> MakeAgentHandler(AgentReports& agents) {
  return std::make_unique<AgentHandler>(agents);
}

}  // namespace godwit::coordinator
