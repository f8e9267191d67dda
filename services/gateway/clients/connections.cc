#include "services/gateway/clients/connections.h"

#include "absl/time/clock.h"

namespace godwit::gateway {
namespace {

std::shared_ptr<grpc::Channel> DialService(const std::string& endpoint, const std::string& id,
                                           const rpc::TlsMaterial& tls) {
  return rpc::Dial(endpoint, {.kind = rpc::PeerKind::kService, .id = id}, tls);
}

}  // namespace

Connections::Connections(const Endpoints& endpoints, const rpc::TlsMaterial& tls,
                         const std::string& documents_dir)
    : services_{.registry = DialService(endpoints.registry, "registry", tls),
                .replication = DialService(endpoints.replication, "replication", tls),
                .jobs = DialService(endpoints.jobs, "jobs", tls),
                .documents_dir = documents_dir},
      access_keys_(endpoints.access_keys.empty()
                       ? services_.registry
                       : DialService(endpoints.access_keys, "registry", tls)) {}

bool Connections::Ready(absl::Duration patience) const {
  const absl::Time until = absl::Now() + patience;
  return access_keys_->WaitForConnected(absl::ToChronoTime(until)) &&
         services_.registry->WaitForConnected(absl::ToChronoTime(until));
}

}  // namespace godwit::gateway
