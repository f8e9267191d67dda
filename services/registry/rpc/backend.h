// What the handlers share. All outlive them.
#pragma once

#include <string>

#include "services/common/base/clock.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/serve.h"
#include "services/registry/clients/outbox_sender.h"
#include "services/registry/clients/webhook_sender.h"
#include "services/registry/domain/group_limits.h"
#include "services/registry/domain/lifecycle.h"
#include "services/registry/domain/quotas.h"
#include "services/registry/rpc/event_hub.h"
#include "services/registry/rpc/watch_hub.h"
#include "services/registry/storage/access_key_store.h"
#include "services/registry/storage/mutation.h"

namespace godwit::registry {

struct Backend {
  storage::Mutator& mutator;
  OutboxSender& sender;
  WatchHub& watch_hub;
  EventHub& event_hub;
  WebhookSender& webhooks;
  Clock& clock;
  Profile profile = Profile::kStrict;
  rpc::CaMaterial ca;
  std::string ca_pin;
  std::string trusted_cas;  // PEM; what the registry verifies others by
  std::string tls_dir;      // where they are replaced; empty: they are not
  std::string token_key;    // secrets of installation tokens follow from it
  std::string registry_endpoint, replication_endpoint;  // as agents reach them
  absl::Duration agent_certificate_lifetime = absl::Hours(24);
  std::string master_key_file;  // empty: there are no access keys
  storage::AccessKeyLimits access_key_limits;
  Quotas quotas;
  GroupLimits group_limits;
};

// The rules of the life cycle for a call: those that its gateway asks for, else the installation's.
inline Profile ProfileOf(const Backend& backend, const rpc::Call& call) {
  return ParseProfile(call.lifecycle_profile).value_or(backend.profile);
}

}  // namespace godwit::registry
