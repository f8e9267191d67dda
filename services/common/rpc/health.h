// Asking for health (grpc.health.v1), and calls without generated stubs.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}

namespace godwit::rpc {

// One message there and one back, as bytes: "/package.Service/Method". The status is the call's.
absl::StatusOr<std::string> RawCall(const std::shared_ptr<grpc::Channel>& channel,
                                    const std::string& method, const std::string& request,
                                    absl::Duration patience);

// Whether `service` ("": all of it; kLiveService: the process) is SERVING. Any error: it could not
// be asked.
absl::StatusOr<bool> IsServing(const std::shared_ptr<grpc::Channel>& channel,
                               const std::string& service, absl::Duration patience);

}  // namespace godwit::rpc
