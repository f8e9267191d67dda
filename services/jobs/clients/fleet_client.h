// FleetPort over gRPC: the registry's fleet, its verbs, and what the replication service says.
#pragma once

#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>

#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/jobs/app/wave_ports.h"

namespace godwit::jobs {

class FleetClient final : public FleetPort {
 public:
  FleetClient(const std::shared_ptr<grpc::Channel>& registry,
              const std::shared_ptr<grpc::Channel>& replication)
      : fleet_(registry::v1::FleetService::NewStub(registry)),
        servers_(registry::v1::SourceServerService::NewStub(registry)),
        replications_(replication::v1::ReplicationService::NewStub(replication)) {}

  absl::StatusOr<FleetWave> ReadWave(const std::string& wave, bool replication) override;
  absl::StatusOr<FleetServer> ReadServer(const std::string& server) override;
  absl::StatusOr<std::string> StartTest(const std::string& server,
                                        const std::string& request_id) override;
  absl::StatusOr<std::string> StartCutover(const std::string& server,
                                           const std::string& request_id) override;
  absl::StatusOr<std::string> Terminate(const std::string& server,
                                        const std::string& request_id) override;
  absl::Status RevertCutover(const std::string& server, const std::string& request_id) override;
  absl::Status MarkReady(const std::string& server, const std::string& request_id) override;
  absl::Status Finalize(const std::string& server, bool keep_agent,
                        const std::string& request_id) override;

 private:
  absl::Status ReadApplications(FleetWave* wave);
  absl::Status ReadServers(FleetApplication* application, std::size_t* count);
  // What is wrong with replications, by server id; empty when the service does not answer.
  std::map<std::string, std::string> ReplicationProblems();

  const std::unique_ptr<registry::v1::FleetService::Stub> fleet_;
  const std::unique_ptr<registry::v1::SourceServerService::Stub> servers_;
  const std::unique_ptr<replication::v1::ReplicationService::Stub> replications_;
};

}  // namespace godwit::jobs
