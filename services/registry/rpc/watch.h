// The stream of WatchSourceServers. A slow reader gets the latest state of each server rather than
// every one between; so what waits is bounded by the number of servers. Of what waits, the one
// whose change is oldest comes first, and its token says that all before it was sent.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "godwit/registry/v1/source_server_service.pb.h"
#include "services/registry/rpc/watch_hub.h"

namespace godwit::registry {

// Owns itself. `hub` must outlive the server.
grpc::ServerWriteReactor<godwit::registry::v1::SourceServer>* StartWatch(
    grpc::CallbackServerContext& context, WatchHub& hub,
    const godwit::registry::v1::WatchSourceServersRequest& request);

}  // namespace godwit::registry
