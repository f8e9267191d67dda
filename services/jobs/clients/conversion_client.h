// ConversionPort over gRPC.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "services/jobs/app/ports.h"

namespace godwit::jobs {

class ConversionClient final : public ConversionPort {
 public:
  explicit ConversionClient(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(conversion::v1::ConversionService::NewStub(channel)) {}
  absl::StatusOr<ConversionProgress> CreateTask(const ConversionOrder& order) override;
  absl::StatusOr<ConversionProgress> GetTask(const std::string& name) override;
  absl::StatusOr<ConversionProgress> CancelTask(const std::string& name) override;

 private:
  const std::unique_ptr<conversion::v1::ConversionService::Stub> stub_;
};

}  // namespace godwit::jobs
