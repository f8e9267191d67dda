// Launches: tests, cutovers, removal of launched machines.
#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/job_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;
using Stub = pb::SourceServerService::Stub;
using Launch = grpc::Status (Stub::*)(grpc::ClientContext*, const pb::StartLaunchRequest&,
                                      jobs::v1::Job*);

OperationFunction AsLaunch(Launch launch) {
  return [launch](const Call& call, const json& input) -> absl::StatusOr<json> {
    if (input.contains("tags") && !input["tags"].empty()) {
      return rpc::FieldError("tags", "jobs have no tags here; leave them out");
    }
    pb::StartLaunchRequest request;
    for (const json& id : input["sourceServerIDs"]) {
      ASSIGN_OR_RETURN(*request.add_names(), ServerName(id.get<std::string>()));
    }
    request.set_request_id(call.ChangeId());
    ASSIGN_OR_RETURN(
        const jobs::v1::Job job,
        call.Ask(pb::SourceServerService::NewStub(call.services().registry), launch, request));
    return json{{"job", JobJson(job, call.place())}};
  };
}

}  // namespace

OperationList LaunchCalls() {
  return {{"StartTest", AsLaunch(&Stub::StartTest)},
          {"StartCutover", AsLaunch(&Stub::StartCutover)},
          {"TerminateTargetInstances", AsLaunch(&Stub::TerminateTargetInstances)}};
}

}  // namespace godwit::gateway::mgn
