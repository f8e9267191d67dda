// Points, their clones and verifications as operators and jobs call for them.
#pragma once

#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/replication/coordinator/engine/points.h"
#include "services/replication/coordinator/engine/verifications.h"

namespace godwit::coordinator {

// A part of the service; the rest is ReplicationHandler. Thread-safe.
class PointCalls : public replication::v1::ReplicationService::Service {
 public:
  // What is passed must outlive it.
  PointCalls(Points& points, Verifications& verifications)
      : points_(points), verifications_(verifications) {}

  grpc::Status RequestPoint(grpc::ServerContext* context,
                            const replication::v1::RequestPointRequest* request,
                            replication::v1::PointRequest* response) override;
  grpc::Status GetPointRequest(grpc::ServerContext* context,
                               const replication::v1::GetPointRequestRequest* request,
                               replication::v1::PointRequest* response) override;
  grpc::Status GetPoint(grpc::ServerContext* context,
                        const replication::v1::GetPointRequestByName* request,
                        replication::v1::Point* response) override;
  grpc::Status ListPoints(grpc::ServerContext* context,
                          const replication::v1::ListPointsRequest* request,
                          replication::v1::ListPointsResponse* response) override;
  grpc::Status UpdatePoint(grpc::ServerContext* context,
                           const replication::v1::UpdatePointRequest* request,
                           replication::v1::Point* response) override;
  grpc::Status DeletePoint(grpc::ServerContext* context,
                           const replication::v1::DeletePointRequest* request,
                           replication::v1::DeletePointResponse*) override;
  grpc::Status VerifyReplication(grpc::ServerContext* context,
                                 const replication::v1::VerifyReplicationRequest* request,
                                 replication::v1::Verification* response) override;
  grpc::Status GetVerification(grpc::ServerContext* context,
                               const replication::v1::GetVerificationRequest* request,
                               replication::v1::Verification* response) override;
  grpc::Status ListVerifications(grpc::ServerContext* context,
                                 const replication::v1::ListVerificationsRequest* request,
                                 replication::v1::ListVerificationsResponse* response) override;
  grpc::Status CreateClone(grpc::ServerContext* context,
                           const replication::v1::CreateCloneRequest* request,
                           replication::v1::Clone* response) override;
  grpc::Status DeleteClone(grpc::ServerContext* context,
                           const replication::v1::DeleteCloneRequest* request,
                           replication::v1::DeleteCloneResponse*) override;

 private:
  Points& points_;
  Verifications& verifications_;
};

}  // namespace godwit::coordinator
