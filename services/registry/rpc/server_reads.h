// Reading source servers and their history; creating, tagging and deleting them.
#pragma once

#include "absl/status/status.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "grpcpp/impl/codegen/status.h"
#include "services/registry/rpc/backend.h"

namespace godwit::registry {

absl::Status GetServer(Backend& backend,
                       const godwit::registry::v1::GetSourceServerRequest& request,
                       godwit::registry::v1::SourceServer* response);
absl::Status ListServers(Backend& backend, const rpc::Call& call,
                         const godwit::registry::v1::ListSourceServersRequest& request,
                         godwit::registry::v1::ListSourceServersResponse* response);
absl::Status ListHistory(Backend& backend,
                         const godwit::registry::v1::ListServerHistoryRequest& request,
                         godwit::registry::v1::ListServerHistoryResponse* response);

grpc::Status ServeCreateServer(grpc::ServerContext* context, Backend& backend,
                               const godwit::registry::v1::CreateSourceServerRequest& request,
                               godwit::registry::v1::SourceServer* response);
grpc::Status ServeUpdateServer(grpc::ServerContext* context, Backend& backend,
                               const godwit::registry::v1::UpdateSourceServerRequest& request,
                               godwit::registry::v1::SourceServer* response);
grpc::Status ServeDeleteServer(grpc::ServerContext* context, Backend& backend,
                               const godwit::registry::v1::DeleteSourceServerRequest& request,
                               godwit::registry::v1::DeleteSourceServerResponse* response);

}  // namespace godwit::registry
