#include "services/gateway/mgn/rpc/asking.h"

#include "services/gateway/mgn/rpc/call.h"

namespace godwit::gateway::mgn {

absl::StatusOr<nlohmann::json> RunOperation(const Services& services, const Operation& operation,
                                            Place place, Asker asker, absl::Duration time,
                                            const nlohmann::json& input) {
  const auto found = Operations().find(operation.name);
  if (found == Operations().end()) {
    return absl::UnimplementedError(
        "this gateway does not do it yet; the command line or gRPC may (docs/gateway.md)");
  }
  const Call call(services, operation, std::move(place), std::move(asker), time);
  return found->second(call, input);
}

}  // namespace godwit::gateway::mgn
