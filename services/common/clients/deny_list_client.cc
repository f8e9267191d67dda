#include "services/common/clients/deny_list_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "godwit/registry/v1/revocation_service.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit {

rpc::DenyListFollower::Ask AskRegistryForDenyList(std::shared_ptr<grpc::Channel> registry) {
  return [registry = std::move(registry)]() -> absl::StatusOr<rpc::DenyList> {
    namespace pb = ::godwit::registry::v1;
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(2));
    pb::DenyList list;
    const absl::Status status =
        rpc::FromGrpc(pb::RevocationService::NewStub(registry)->GetDenyList(&context, {}, &list));
    if (absl::IsUnimplemented(status)) return rpc::DenyList();
    if (!status.ok()) return status;
    return rpc::DenyList(list.subjects().begin(), list.subjects().end());
  };
}

}  // namespace godwit
