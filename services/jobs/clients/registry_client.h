// RegistryPort over gRPC.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/jobs/app/ports.h"

namespace godwit::jobs {

class RegistryClient final : public RegistryPort {
 public:
  explicit RegistryClient(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(registry::v1::RegistryEventService::NewStub(channel)) {}
  absl::StatusOr<ServerInfo> GetServer(const std::string& server) override;
  absl::Status ReportLaunch(const LaunchReport& report) override;

 private:
  const std::unique_ptr<registry::v1::RegistryEventService::Stub> stub_;
};

}  // namespace godwit::jobs
