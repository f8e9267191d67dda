// What the coordinator needs of the outside.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/replication/coordinator/domain/bandwidth.h"
#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator {

// What the registry says of a server.
struct ServerFacts {
  bool revoked = false;        // its certificate counts no more
  bool agent_allowed = false;  // false also when it is gone from service
  std::string settings;        // opaque
  std::map<std::string, std::string> worker_labels;
};

// Thread-safe.
class Registry {
 public:
  virtual ~Registry() = default;
  // For each of the ids, in their order, at most 5 s old. NOT_FOUND: no such server. UNAVAILABLE:
  // go on with what is known.
  virtual std::vector<absl::StatusOr<ServerFacts>> Describe(
      const std::vector<std::string>& server_ids) = 0;
  virtual absl::Status ReportInitialSyncDone(const std::string& server_id,
                                             const std::string& point_id,
                                             const std::string& request_id) = 0;
};

// Settings of a server as they count at one moment.
struct Settings {
  Bandwidth bandwidth;
  int lane_count = 1;
  int share_weight = 1;
  absl::Duration cut_interval, freeze_budget = absl::Milliseconds(500);
  bool never_freeze = false;
  bool encrypt_staging = false;
  std::vector<RetentionRule> retention;
};
// Takes ServerFacts::settings apart; defaults for an empty one.
using DecodeSettings = std::function<Settings(const std::string& settings, absl::Time now)>;

}  // namespace godwit::coordinator
