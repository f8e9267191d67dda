// ReplicationPort over gRPC.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/jobs/app/ports.h"

namespace godwit::jobs {

class ReplicationClient final : public ReplicationPort {
 public:
  explicit ReplicationClient(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(replication::v1::ReplicationService::NewStub(channel)) {}
  absl::StatusOr<PointProgress> RequestPoint(const PointOrder& order) override;
  absl::StatusOr<PointProgress> GetPointRequest(const std::string& name) override;
  absl::StatusOr<PointInfo> GetPoint(const std::string& name) override;
  absl::StatusOr<PointInfo> NewestPoint(const std::string& server) override;
  absl::StatusOr<CloneInfo> CreateClone(const std::string& point,
                                        const std::string& request_id) override;
  absl::Status DeleteClone(const std::string& name) override;

 private:
  const std::unique_ptr<replication::v1::ReplicationService::Stub> stub_;
};

}  // namespace godwit::jobs
