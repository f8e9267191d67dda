// StartTest, StartCutover and TerminateTargetInstances: all servers or none, one job.
#pragma once

#include "godwit/jobs/v1/job.pb.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "grpcpp/impl/codegen/status.h"
#include "services/registry/rpc/backend.h"

namespace godwit::registry {

// `event` is one of kStartTest, kStartCutover, kTerminateTargetInstances.
grpc::Status ServeLaunch(grpc::ServerContext* context, Backend& backend, Event event,
                         const godwit::registry::v1::StartLaunchRequest& request,
                         godwit::jobs::v1::Job* response);

}  // namespace godwit::registry
