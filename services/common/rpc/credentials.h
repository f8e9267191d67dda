// Credentials of gRPC made from TLS material. That of a folder is watched: connections that begin
// after the files were replaced use the new ones; those that are open go on.
#pragma once

#include <memory>

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace godwit::rpc {

struct TlsMaterial;

std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const TlsMaterial& tls,
                                                           bool require_client_certificate);
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const TlsMaterial& tls);

}  // namespace godwit::rpc
