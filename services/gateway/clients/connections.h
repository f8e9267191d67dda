// The channels to the other services.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "services/common/rpc/channel.h"
#include "services/gateway/mgn/rpc/call.h"

namespace godwit::gateway {

struct Endpoints {
  std::string registry, replication, jobs;
  std::string access_keys;  // empty: the registry
};

// Thread-safe.
class Connections {
 public:
  // `documents_dir`: of scripts for actions; empty: there are none.
  Connections(const Endpoints& endpoints, const rpc::TlsMaterial& tls,
              const std::string& documents_dir);
  const mgn::Services& services() const { return services_; }
  const std::shared_ptr<grpc::Channel>& access_keys() const { return access_keys_; }
  // Whether the registry can be reached; waits for it at most `patience`.
  bool Ready(absl::Duration patience) const;

 private:
  mgn::Services services_;
  std::shared_ptr<grpc::Channel> access_keys_;
};

}  // namespace godwit::gateway
