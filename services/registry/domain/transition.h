// What an accepted event does to a server. Pure.
#pragma once

#include <optional>
#include <string>

#include "services/registry/domain/lifecycle.h"
#include "services/registry/domain/source_server.h"

namespace godwit::registry {

// Why an event is refused.
struct Refusal {
  std::string reason;  // "WRONG_LIFECYCLE_STATE"
  std::string text;
  std::string helpful_call;
};

// nullopt: `event` may happen to `server`.
std::optional<Refusal> Refuse(Profile profile, const SourceServer& server, Event event);

// Moves a server that Refuse let pass. `job` is that of the launch events.
void Apply(Profile profile, Event event, absl::Time now, const std::string& job,
           SourceServer& server);

// A job says where its launch of the server stands.
struct LaunchReport {
  std::string job;
  bool terminates = false;  // a TERMINATE job
  LaunchStatus status = LaunchStatus::kNone;
  std::string machine;  // JSON document, empty: none
};
// False when the report tells nothing new: of an older job, or from before what is known.
bool ApplyLaunchReport(const LaunchReport& report, SourceServer& server);

}  // namespace godwit::registry
