// The services of the registry. `backend` must outlive them; all are thread-safe.
#pragma once

#include <memory>

#include "services/registry/rpc/backend.h"

namespace grpc {
class Service;
}

namespace godwit::registry {

class TransferRunner;
namespace storage {
class TransferFolder;
}

// Only Enroll answers: for the port without client certificates.
std::unique_ptr<grpc::Service> MakeEnrollHandler(Backend& backend);
// Renew and UpdateProperties, for agents with a certificate.
std::unique_ptr<grpc::Service> MakeAgentHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeTokenHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeSourceServerHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeEventHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeTemplateHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeFleetHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeAccessKeyHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeRevocationHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeAuditHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeConnectorHandler(Backend& backend);
// `folder` and `runner` must outlive it, too.
std::unique_ptr<grpc::Service> MakeTransferHandler(Backend& backend,
                                                   const storage::TransferFolder& folder,
                                                   TransferRunner& runner);
std::unique_ptr<grpc::Service> MakeEventServiceHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeWebhookHandler(Backend& backend);
std::unique_ptr<grpc::Service> MakeScopeHandler(Backend& backend);

}  // namespace godwit::registry
