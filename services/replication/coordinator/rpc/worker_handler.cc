#include <grpcpp/server_context.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "godwit/replication/v1/worker_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/rpc/fields.h"
#include "services/replication/coordinator/rpc/handlers.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr int kMostLabels = 32;
constexpr int kMostGroups = 10000;
constexpr int kMostDisks = 50;
constexpr int kMostPoints = 10000;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 60;

absl::StatusOr<Worker> ReadWorker(const std::string& id, const pb::RegisterWorkerRequest& request) {
  RETURN_IF_ERROR(CheckId("certificate", "w-", id));
  RETURN_IF_ERROR(CheckEndpoint("endpoint", request.endpoint()));
  RETURN_IF_ERROR(CheckRequired("store_id", request.store_id(), 128));
  if (request.store_id().find_first_of("{},\"\\ ") != std::string::npos) {
    return rpc::FieldError("store_id", "has characters that names do not have");
  }
  RETURN_IF_ERROR(CheckRange("max_server_count", request.max_server_count(), 1, 10000));
  RETURN_IF_ERROR(CheckText("version", request.version(), 64));
  RETURN_IF_ERROR(CheckRange("labels", request.labels_size(), 0, kMostLabels));
  for (const auto& [key, value] : request.labels()) {
    RETURN_IF_ERROR(CheckRequired("labels", key, 128));
    RETURN_IF_ERROR(CheckText("labels", value, 256));
  }
  return Worker{.id = id,
                .endpoint = request.endpoint(),
                .store_id = request.store_id(),
                .labels = {request.labels().begin(), request.labels().end()},
                .max_server_count = request.max_server_count(),
                .version = request.version()};
}

absl::StatusOr<store::WorkerReport> ReadHeartbeat(const std::string& id,
                                                  const pb::WorkerHeartbeatRequest& request) {
  RETURN_IF_ERROR(CheckId("certificate", "w-", id));
  RETURN_IF_ERROR(CheckRange("store_total_bytes", request.store_total_bytes(), 0, kMostBytes));
  RETURN_IF_ERROR(CheckRange("store_free_bytes", request.store_free_bytes(), 0, kMostBytes));
  RETURN_IF_ERROR(CheckRange("groups", request.groups_size(), 0, kMostGroups));
  store::WorkerReport out{.id = id,
                          .incarnation = request.incarnation(),
                          .store_total_bytes = request.store_total_bytes(),
                          .store_free_bytes = request.store_free_bytes(),
                          .leaving = request.draining()};
  for (int i = 0; i < request.groups_size(); ++i) {
    const pb::GroupStatus& in = request.groups(i);
    const std::string field = absl::StrCat("groups[", i, "].");
    ASSIGN_OR_RETURN(const std::string server,
                     ServerId(field + "source_server", in.source_server()));
    if (!pb::Replication::StallCause_IsValid(in.stall_cause())) {
      return rpc::FieldError(field + "stall_cause", "is not known");
    }
    out.groups.push_back({.server_id = server,
                          .generation = in.lease_generation(),
                          .connected = in.agent_connected(),
                          .received_bytes = in.received_bytes(),
                          .allocated_bytes = in.allocated_bytes(),
                          .error = Clean(in.error_message()),
                          .cause = static_cast<StallCause>(in.stall_cause())});
    RETURN_IF_ERROR(CheckRange(field + "point_sizes", in.point_sizes_size(), 0, kMostPoints));
    for (const pb::PointSize& size : in.point_sizes()) {
      RETURN_IF_ERROR(CheckRange(field + "point_sizes.own_bytes", size.own_bytes(), 0, kMostBytes));
      out.groups.back().point_sizes.emplace_back(size.epoch(), size.own_bytes());
    }
  }
  return out;
}

absl::StatusOr<store::Point> ReadPoint(const pb::ReportPointRequest& request) {
  store::Point out;
  ASSIGN_OR_RETURN(out.server_id, ServerId("source_server", request.source_server()));
  RETURN_IF_ERROR(CheckRange("lease_generation", request.lease_generation(), 1, INT64_MAX));
  RETURN_IF_ERROR(CheckRange("epoch", request.epoch(), 1, INT64_MAX));
  ASSIGN_OR_RETURN(out.cut_time, ToTime("cut_time", request.cut_time()));
  ASSIGN_OR_RETURN(out.commit_time, ToTime("commit_time", request.commit_time()));
  RETURN_IF_ERROR(CheckRange("consistency", request.consistency(), 1, 3));
  RETURN_IF_ERROR(CheckText("root_hash", request.root_hash(), 128));
  RETURN_IF_ERROR(CheckRange("changed_bytes", request.changed_bytes(), 0, kMostBytes));
  ASSIGN_OR_RETURN(out.freeze_time,
                   ToDuration("freeze_time", request.freeze_time(), absl::Hours(1)));
  if (!request.request_id().empty()) {
    RETURN_IF_ERROR(CheckUuid("request_id", request.request_id()));
  }
  if (request.has_quiesce_time()) {
    ASSIGN_OR_RETURN(out.quiesce_time, ToTime("quiesce_time", request.quiesce_time()));
  }
  out.generation = request.lease_generation();
  out.epoch = request.epoch();
  out.consistency = request.consistency();
  out.root_hash = request.root_hash();
  out.changed_bytes = request.changed_bytes();
  return out;
}

absl::StatusOr<OrderReport> ReadOrder(const std::string& worker,
                                      const pb::ReportOrderRequest& request) {
  RETURN_IF_ERROR(CheckUuid("order_id", request.order_id()));
  RETURN_IF_ERROR(CheckRange("error_code", request.error_code(), 0, 16));
  RETURN_IF_ERROR(CheckRange("clone_disks", request.clone_disks_size(), 0, kMostDisks));
  OrderReport out{
      .worker_id = worker, .incarnation = request.incarnation(), .order_id = request.order_id()};
  if (request.error_code() != 0 || !request.error_message().empty()) {
    const int code = request.error_code() == 0 ? 2 : request.error_code();
    out.status = absl::Status(static_cast<absl::StatusCode>(code), Clean(request.error_message()));
  }
  for (int i = 0; i < request.clone_disks_size(); ++i) {
    const pb::CloneDisk& in = request.clone_disks(i);
    const std::string field = absl::StrCat("clone_disks[", i, "].");
    RETURN_IF_ERROR(CheckId(field + "disk_id", "d-", in.disk_id()));
    RETURN_IF_ERROR(CheckText(field + "device_name", in.device_name(), 256));
    RETURN_IF_ERROR(CheckRange(field + "size_bytes", in.size_bytes(), 1, kMostBytes));
    RETURN_IF_ERROR(CheckText(field + "path", in.path(), 4096));
    RETURN_IF_ERROR(CheckText(field + "nbd_uri", in.nbd_uri(), 4096));
    if (in.path().empty() == in.nbd_uri().empty()) {
      return rpc::FieldError(field + "location", "path or nbd_uri is required");
    }
    out.clone_disks.push_back({.disk_id = in.disk_id(),
                               .device_name = in.device_name(),
                               .size_bytes = in.size_bytes(),
                               .is_boot_disk = in.is_boot_disk(),
                               .path = in.path(),
                               .nbd_uri = in.nbd_uri()});
  }
  return out;
}

void WriteOrder(const store::Order& order, pb::WorkerOrder* out) {
  out->set_order_id(order.id);
  out->set_source_server(absl::StrCat("sourceServers/", order.server_id));
  out->set_lease_generation(order.generation);
  switch (order.kind) {
    case store::OrderKind::kCreateClone:
      out->mutable_create_clone()->set_clone_id(order.clone_id);
      out->mutable_create_clone()->set_epoch(order.clone_epoch);
      return;
    case store::OrderKind::kDeleteClone:
      out->mutable_delete_clone()->set_clone_id(order.clone_id);
      return;
    case store::OrderKind::kDeletePoints:
      for (const std::int64_t epoch : order.epochs) out->mutable_delete_points()->add_epochs(epoch);
      return;
    case store::OrderKind::kRemoveStaging:
      out->mutable_remove_staging();
      return;
  }
}

void WriteAnswer(const WorkerAnswer& answer, pb::WorkerHeartbeatResponse* out) {
  for (const store::LeasedGroup& group : answer.leases) {
    pb::GroupLease* lease = out->add_leases();
    lease->set_encrypt_staging(group.encrypt_staging);
    lease->set_share_weight(group.share_weight);
    lease->set_source_server(absl::StrCat("sourceServers/", group.server_id));
    lease->set_lease_generation(group.generation);
    for (const Disk& disk : group.disks) {
      pb::LeasedDisk* to = lease->add_disks();
      to->set_disk_id(disk.disk_id);
      to->set_device_name(disk.device_name);
      to->set_size_bytes(disk.size_bytes);
      to->set_is_boot_disk(disk.is_boot_disk);
    }
  }
  for (const store::Order& order : answer.orders) WriteOrder(order, out->add_orders());
}

class WorkerHandler final : public pb::WorkerService::Service, public Handler {
 public:
  explicit WorkerHandler(WorkerReports& workers) : workers_(workers) {}
  grpc::Service* service() override { return this; }

  grpc::Status RegisterWorker(grpc::ServerContext* context,
                              const pb::RegisterWorkerRequest* request,
                              pb::RegisterWorkerResponse* response) override {
    return rpc::Serve(context, "replication.RegisterWorker", rpc::kWorkers,
                      [&](const rpc::Call& call) -> absl::Status {
                        ASSIGN_OR_RETURN(const Worker worker, ReadWorker(call.peer.id, *request));
                        ASSIGN_OR_RETURN(const std::int64_t incarnation, workers_.Register(worker));
                        response->set_incarnation(incarnation);
                        SetDuration(workers_.lease(), response->mutable_lease_duration());
                        return absl::OkStatus();
                      });
  }

  grpc::Status Heartbeat(grpc::ServerContext* context, const pb::WorkerHeartbeatRequest* request,
                         pb::WorkerHeartbeatResponse* response) override {
    return rpc::Serve(context, "replication.WorkerHeartbeat", rpc::kWorkers,
                      [&](const rpc::Call& call) -> absl::Status {
                        ASSIGN_OR_RETURN(const store::WorkerReport report,
                                         ReadHeartbeat(call.peer.id, *request));
                        ASSIGN_OR_RETURN(const WorkerAnswer answer, workers_.Heartbeat(report));
                        WriteAnswer(answer, response);
                        SetDuration(workers_.lease(), response->mutable_lease_duration());
                        return absl::OkStatus();
                      });
  }

  grpc::Status ReportPoint(grpc::ServerContext* context, const pb::ReportPointRequest* request,
                           pb::ReportPointResponse*) override {
    return rpc::Serve(context, "replication.ReportPoint", rpc::kWorkers,
                      [&](const rpc::Call& call) -> absl::Status {
                        ASSIGN_OR_RETURN(store::Point point, ReadPoint(*request));
                        return workers_.ReportPoint(call.peer.id, request->incarnation(),
                                                    std::move(point), request->request_id());
                      });
  }

  grpc::Status ReportOrder(grpc::ServerContext* context, const pb::ReportOrderRequest* request,
                           pb::ReportOrderResponse*) override {
    return rpc::Serve(context, "replication.ReportOrder", rpc::kWorkers,
                      [&](const rpc::Call& call) -> absl::Status {
                        ASSIGN_OR_RETURN(const OrderReport report,
                                         ReadOrder(call.peer.id, *request));
                        return workers_.ReportOrder(report);
                      });
  }

 private:
  WorkerReports& workers_;
};

}  // namespace

std::unique_ptr<Handler> MakeWorkerHandler(WorkerReports& workers) {
  return std::make_unique<WorkerHandler>(workers);
}

}  // namespace godwit::coordinator
