// What the handlers share. All outlive them.
#pragma once

#include <string>

#include "services/common/base/clock.h"
#include "services/common/rpc/ca.h"
#include "services/registry/clients/outbox_sender.h"
#include "services/registry/domain/lifecycle.h"
#include "services/registry/rpc/watch_hub.h"
#include "services/registry/storage/mutation.h"

namespace godwit::registry {

struct Backend {
  storage::Mutator& mutator;
  OutboxSender& sender;
  WatchHub& watch_hub;
  Clock& clock;
  Profile profile = Profile::kStrict;
  rpc::CaMaterial ca;
  std::string ca_pin;
  std::string token_key;  // secrets of installation tokens follow from it
  std::string registry_endpoint, replication_endpoint;  // as agents reach them
  absl::Duration agent_certificate_lifetime = absl::Hours(24);
};

}  // namespace godwit::registry
