// The registry's deny list, for the services that follow it.
#pragma once

#include <memory>

#include "services/common/rpc/deny_list.h"

namespace grpc {
class Channel;
}

namespace godwit {

// For rpc::DenyListFollower. A registry that has none yet (an older one) gives an empty list.
rpc::DenyListFollower::Ask AskRegistryForDenyList(std::shared_ptr<grpc::Channel> registry);

}  // namespace godwit
