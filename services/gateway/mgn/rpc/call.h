// One call of an operation: who asks, and the calls of services that are made for it.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/clients/twice.h"
#include "services/gateway/mgn/names.h"
#include "services/gateway/mgn/rpc/operation.h"

namespace godwit::gateway::mgn {

// The channels to the services of the installation.
struct Services {
  std::shared_ptr<grpc::Channel> registry, replication, jobs;
  std::string documents_dir;  // of the scripts that actions name; empty: there are none
};

class Call {
 public:
  Call(const Services& services, const Operation& operation, Place place, Asker asker,
       absl::Duration time);

  const Operation& operation() const { return operation_; }
  const Services& services() const { return services_; }
  const Place& place() const { return place_; }
  const Asker& asker() const { return asker_; }
  // Request id of a change: the same for a request that the client sends again.
  std::string ChangeId(absl::string_view part = "") const;

  // A unary call in the name of the asker. All calls of one operation share its time. What only
  // reads is asked once more when another copy of the service may answer.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Ask(const std::unique_ptr<Stub>& stub,
                               grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
                               const Request& request) const {
    Response response;
    const auto ask = [&] {
      grpc::ClientContext context;
      Prepare(context);
      response.Clear();
      return rpc::FromGrpc(((*stub).*method)(&context, request, &response));
    };
    const absl::Status status =
        OnlyReads(Request::descriptor()->name()) ? TryTwice(deadline_, ask) : ask();
    if (!status.ok()) return status;
    return response;
  }

 private:
  void Prepare(grpc::ClientContext& context) const;

  const Services& services_;
  const Operation& operation_;
  const Place place_;
  const Asker asker_;
  const absl::Time deadline_;
};

}  // namespace godwit::gateway::mgn
