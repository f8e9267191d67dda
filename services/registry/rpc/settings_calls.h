// Settings of one server: how it is replicated and how it is launched.
#pragma once

#include "absl/status/status.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "grpcpp/impl/codegen/status.h"
#include "services/registry/rpc/backend.h"

namespace godwit::registry {

absl::Status GetReplicationSettings(Backend& backend,
                                    const godwit::registry::v1::GetSettingsRequest& request,
                                    godwit::registry::v1::ReplicationSettings* response);
absl::Status GetLaunchSettings(Backend& backend,
                               const godwit::registry::v1::GetSettingsRequest& request,
                               godwit::jobs::v1::LaunchSettings* response);
grpc::Status ServeUpdateReplicationSettings(
    grpc::ServerContext* context, Backend& backend,
    const godwit::registry::v1::UpdateReplicationSettingsRequest& request,
    godwit::registry::v1::ReplicationSettings* response);
grpc::Status ServeUpdateLaunchSettings(
    grpc::ServerContext* context, Backend& backend,
    const godwit::registry::v1::UpdateLaunchSettingsRequest& request,
    godwit::jobs::v1::LaunchSettings* response);

}  // namespace godwit::registry
