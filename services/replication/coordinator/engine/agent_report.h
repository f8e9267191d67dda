// What an agent says with a heartbeat, and what a server is after it. Pure.
#pragma once

#include <optional>
#include <string>

#include "services/replication/coordinator/domain/types.h"
#include "services/replication/coordinator/domain/verification.h"

namespace godwit::coordinator {

// The fields of `server` that an agent reports (agent_seen_time to agent_cause, disks) are filled.
struct AgentReport {
  Server server;
  bool released = false;
  struct Point {
    std::string request_id;
    bool failed = false;
    std::string error_message;
    std::optional<absl::Time> quiesce_time;
  };
  std::optional<Point> point;
  std::optional<AgentVerification> verification;
};

// The server as reported, with what only follows from the row before; the state is not judged yet.
// `found`: the differences that the report has and the row had not.
Server AfterReport(const Server& before, const AgentReport& report, const Found& found);

// What a worker opens a group with.
bool SameDisks(const Server& a, const Server& b);

// An agent that comes back after a silence gets its time to connect again.
bool WasSilent(const Server& before);

}  // namespace godwit::coordinator
