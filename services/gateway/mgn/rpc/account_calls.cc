// The service itself, and what Godwit has none of: managed accounts, vCenter clients.
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

// There is nothing to set up: an installation is ready once it runs. That the registry answers the
// caller is what is found out.
absl::StatusOr<json> InitializeService(const Call& call, const json&) {
  pb::ListSourceServersRequest request;
  request.set_page_size(1);
  RETURN_IF_ERROR(call.Ask(pb::SourceServerService::NewStub(call.services().registry),
                           &pb::SourceServerService::Stub::ListSourceServers, request)
                      .status());
  return json::object();
}

absl::StatusOr<json> NoItems(const Call& call, const json& input) {
  RETURN_IF_ERROR(ParsePageToken(call.operation().name, "", input.value("nextToken", "")).status());
  return json{{"items", json::array()}};
}

absl::StatusOr<json> DeleteVcenterClient(const Call&, const json& input) {
  return absl::NotFoundError(
      absl::StrCat(input["vcenterClientID"].get<std::string>(), ": there are no vCenter clients"));
}

}  // namespace

OperationList AccountCalls() {
  return {{"InitializeService", InitializeService},
          {"ListManagedAccounts", NoItems},
          {"DescribeVcenterClients", NoItems},
          {"DeleteVcenterClient", DeleteVcenterClient}};
}

}  // namespace godwit::gateway::mgn
