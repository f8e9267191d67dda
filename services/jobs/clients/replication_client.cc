#include "services/jobs/clients/replication_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/jobs/clients/call.h"
#include "services/jobs/rpc/messages.h"

namespace godwit::jobs {
namespace {

namespace api = replication::v1;

constexpr int kMostDisks = 50;

PointInfo ToPoint(const api::Point& point) {
  PointInfo out{.name = point.name(), .cut_time = GetTime(point.cut_time())};
  if (point.has_quiesce_time()) out.quiesce_time = GetTime(point.quiesce_time());
  out.consistency = api::Point::Consistency_Name(point.consistency());
  return out;
}

absl::StatusOr<PointProgress> ToProgress(const api::PointRequest& request) {
  PointProgress out{.name = request.name(), .error = request.error_message()};
  switch (request.state()) {
    case api::PointRequest::WAITING:
      out.state = PointProgress::State::kWaiting;
      return out;
    case api::PointRequest::CUTTING:
      out.state = PointProgress::State::kCutting;
      return out;
    case api::PointRequest::SUCCEEDED:
      if (request.point().name().empty()) {
        return absl::InternalError("replication: point: missing in a request that succeeded");
      }
      out.state = PointProgress::State::kSucceeded;
      out.point = ToPoint(request.point());
      return out;
    case api::PointRequest::FAILED:
      out.state = PointProgress::State::kFailed;
      return out;
    default:
      return absl::InternalError("replication: state: unknown state of a point request");
  }
}

absl::StatusOr<CloneInfo> ToClone(const api::Clone& clone) {
  if (clone.name().empty()) return absl::InternalError("replication: name: missing in clone");
  if (clone.disks_size() > kMostDisks) {
    return absl::InternalError("replication: disks: more than 50 in clone");
  }
  CloneInfo out{.name = clone.name(), .point = clone.point()};
  for (const api::CloneDisk& disk : clone.disks()) {
    if (disk.size_bytes() <= 0) {
      return absl::InternalError("replication: disks.size_bytes: not positive");
    }
    out.disks.push_back({.disk_id = disk.disk_id(),
                         .device_name = disk.device_name(),
                         .size_bytes = disk.size_bytes(),
                         .is_boot_disk = disk.is_boot_disk(),
                         .path = disk.path()});
  }
  std::stable_partition(out.disks.begin(), out.disks.end(),
                        [](const CloneDisk& disk) { return disk.is_boot_disk; });
  return out;
}

}  // namespace

absl::StatusOr<PointProgress> ReplicationClient::RequestPoint(const PointOrder& order) {
  api::RequestPointRequest request;
  request.set_parent(absl::StrCat("sourceServers/", order.server));
  request.set_request_id(order.request_id);
  request.set_quiesce(order.quiesce);
  request.set_stay_quiesced(order.stay_quiesced);
  SetDuration(order.timeout, request.mutable_timeout());
  request.set_description(order.description);
  api::PointRequest answer;
  RETURN_IF_ERROR(CallPeer("replication.RequestPoint", [&](grpc::ClientContext& context) {
    return stub_->RequestPoint(&context, request, &answer);
  }));
  return ToProgress(answer);
}

absl::StatusOr<PointProgress> ReplicationClient::GetPointRequest(const std::string& name) {
  api::GetPointRequestRequest request;
  request.set_name(name);
  api::PointRequest answer;
  RETURN_IF_ERROR(CallPeer("replication.GetPointRequest", [&](grpc::ClientContext& context) {
    return stub_->GetPointRequest(&context, request, &answer);
  }));
  return ToProgress(answer);
}

absl::StatusOr<PointInfo> ReplicationClient::GetPoint(const std::string& name) {
  api::GetPointRequestByName request;
  request.set_name(name);
  api::Point answer;
  RETURN_IF_ERROR(CallPeer("replication.GetPoint", [&](grpc::ClientContext& context) {
    return stub_->GetPoint(&context, request, &answer);
  }));
  return ToPoint(answer);
}

absl::StatusOr<PointInfo> ReplicationClient::NewestPoint(const std::string& server) {
  api::ListPointsRequest request;
  request.set_parent(absl::StrCat("sourceServers/", server));
  request.set_page_size(1);
  api::ListPointsResponse answer;
  RETURN_IF_ERROR(CallPeer("replication.ListPoints", [&](grpc::ClientContext& context) {
    return stub_->ListPoints(&context, request, &answer);
  }));
  if (answer.points().empty()) return absl::NotFoundError("the server has no point");
  return ToPoint(answer.points(0));
}

absl::StatusOr<CloneInfo> ReplicationClient::CreateClone(const std::string& point,
                                                         const std::string& request_id) {
  api::CreateCloneRequest request;
  request.set_point(point);
  request.set_request_id(request_id);
  api::Clone answer;
  RETURN_IF_ERROR(CallPeer("replication.CreateClone", [&](grpc::ClientContext& context) {
    return stub_->CreateClone(&context, request, &answer);
  }));
  return ToClone(answer);
}

absl::Status ReplicationClient::DeleteClone(const std::string& name) {
  api::DeleteCloneRequest request;
  request.set_name(name);
  api::DeleteCloneResponse answer;
  return CallPeer("replication.DeleteClone", [&](grpc::ClientContext& context) {
    return stub_->DeleteClone(&context, request, &answer);
  });
}

}  // namespace godwit::jobs
