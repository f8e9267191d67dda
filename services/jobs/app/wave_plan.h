// What a run over a wave would do, and what stands in its way. Pure but for what it is given.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/jobs/app/wave_ports.h"
#include "services/jobs/domain/wave_order.h"
#include "services/jobs/domain/wave_run.h"

namespace godwit::jobs {

struct WaveFinding {
  bool blocks = false;
  std::string reason;   // stable word
  std::string message;  // with what helps
};
struct PlannedServer {
  std::string id, hostname;
  bool already_done = false;
  std::string done_job;  // of a cutover that was launched before
  std::vector<WaveFinding> findings;
  bool blocked() const;
};
struct PlannedGroup {
  std::string application, display_name, placement;
  bool needs_approval = false;
  std::vector<WaveCheck> checks;
  absl::Duration check_timeout = kDefaultCheckTimeout;
  std::vector<PlannedServer> servers;
};
struct WavePlan {
  WaveKind kind = WaveKind::kTest;
  std::string wave, wave_name;
  WaveOptions options;
  std::vector<PlannedGroup> groups;
  std::vector<WaveFinding> findings;  // of the whole run
  int blocked_servers() const;
};

// What is asked of one application.
struct GroupRequest {
  GroupWish wish;  // its name is not set
  bool needs_approval = false;
  std::vector<WaveCheck> checks;
  absl::Duration check_timeout = kDefaultCheckTimeout;
};
struct WaveRequest {
  WaveKind kind = WaveKind::kTest;
  std::string wave;  // "wave-..."
  WaveOptions options;
  bool approve_each_group = false;
  bool skip_blocked = false;
  std::vector<GroupRequest> groups;
};

// `jobs`: jobs under way by server. INVALID_ARGUMENT: the request names an application or a server
// that is not in the wave, or applications wait for each other.
absl::StatusOr<WavePlan> MakePlan(const WaveRequest& request, const FleetWave& wave,
                                  const std::map<std::string, std::string>& jobs);

// The run that the plan begins: blocked servers are left out with the reason, servers that are done
// already are done.
WaveRun MakeRun(const WavePlan& plan, const std::string& id, const std::string& initiated_by);

// Whether the life cycle says that the kind is done for the server already.
bool AlreadyDone(WaveKind kind, const FleetServer& server);

}  // namespace godwit::jobs
