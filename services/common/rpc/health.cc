#include "services/common/rpc/health.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::rpc {
namespace {

constexpr std::size_t kMostName = 127;  // one byte of length

}  // namespace

absl::StatusOr<std::string> RawCall(const std::shared_ptr<grpc::Channel>& channel,
                                    const std::string& method, const std::string& request,
                                    absl::Duration patience) {
  const grpc::Slice slice(request);
  const grpc::ByteBuffer bytes(&slice, 1);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  SetTimeout(context, patience);
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareUnaryCall(&context, method, bytes, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  RETURN_IF_ERROR(FromGrpc(status));
  std::vector<grpc::Slice> slices;
  std::string text;
  RETURN_IF_ERROR(FromGrpc(response.Dump(&slices)));
  for (const grpc::Slice& part : slices)
    text.append(reinterpret_cast<const char*>(part.begin()), part.size());
  return text;
}

absl::StatusOr<bool> IsServing(const std::shared_ptr<grpc::Channel>& channel,
                               const std::string& service, absl::Duration patience) {
  // HealthCheckRequest.service is field 1, HealthCheckResponse.status too (1: SERVING).
  if (service.size() > kMostName) return absl::InvalidArgumentError("name of the service");
  const std::string request =
      service.empty()
          ? ""
          : absl::StrCat("\x0a", std::string(1, static_cast<char>(service.size())), service);
  ASSIGN_OR_RETURN(const std::string answer,
                   RawCall(channel, "/grpc.health.v1.Health/Check", request, patience));
  return answer == std::string("\x08\x01", 2);
}

}  // namespace godwit::rpc
