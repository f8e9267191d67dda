// The stream of WatchEvents.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "godwit/registry/v1/event_service.pb.h"
#include "services/registry/rpc/event_hub.h"

namespace godwit::registry {

// Owns itself. `hub` must outlive the server.
grpc::ServerWriteReactor<godwit::registry::v1::WatchEventsResponse>* StartEventStream(
    grpc::CallbackServerContext& context, EventHub& hub,
    const godwit::registry::v1::WatchEventsRequest& request);

}  // namespace godwit::registry
