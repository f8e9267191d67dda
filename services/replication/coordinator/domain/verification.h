// The life of a verification: an ordered comparison of all blocks of a replica with the source.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator {

// Differences that are kept of a verification, and of a server.
inline constexpr std::size_t kMostDifferences = 100;
inline constexpr std::size_t kNewestDifferences = 10;
// How long an agent that can work on an order may show no progress.
inline constexpr absl::Duration kMostIdle = absl::Minutes(10);
// How long a comparison may take in all: an agent may make progress without ever finishing.
inline constexpr absl::Duration kMostTime = absl::Hours(24 * 30);

enum class VerificationState {
  kWaiting = 1,
  kComparing = 2,
  kMakingPoint = 3,
  kSucceeded = 4,
  kFailed = 5,
};
inline bool IsOver(VerificationState state) { return state >= VerificationState::kSucceeded; }

struct Verification {
  std::string id, server_id;
  std::int64_t ordinal = 0;  // grows with every verification
  VerificationState state = VerificationState::kWaiting;
  absl::Time create_time;
  std::optional<absl::Time> start_time, end_time;  // of the comparison
  absl::Time progress_time;                        // when something was last heard of it
  absl::Duration idle;                             // see kMostIdle
  std::int64_t compared_bytes = 0, total_bytes = 0;
  std::vector<Difference> differences;  // oldest first
  std::int64_t difference_count = 0;
  std::string point_request_id, point_id, root_hash, error_message;
  std::string report;  // the signed file
};

// What an agent says of its comparisons.
struct AgentVerification {
  std::int64_t compared_bytes = 0, total_bytes = 0;
  std::optional<absl::Time> pass_end_time;
  std::vector<Difference> differences;  // newest last
  std::int64_t difference_count = 0;    // since its process started
  std::string finished_request_id;
  std::optional<absl::Time> finished_start_time, finished_end_time;
  std::int64_t finished_compared_bytes = 0;
};

// Differences that were found since the report before.
struct Found {
  std::int64_t count = 0;
  std::vector<Difference> rows;  // those that the agent still lists
};
Found NewDifferences(const Server& before, const AgentVerification& report);
// Takes the report over into the fields of `server` from verified_time to differences.
void TakeOver(const AgentVerification& report, const Found& found, absl::Time now, Server& server);

// What was seen with one heartbeat of the agent.
struct Seen {
  absl::Time now;
  absl::Duration silence;  // since the heartbeat before
  bool able = false;       // the agent replicates and may send: it is given the order
  std::optional<AgentVerification> report;
  Found found;
};
// WAITING -> COMPARING -> MAKING_POINT (the caller asks for the point), or FAILED.
void Advance(const Seen& seen, Verification& verification);
void Fail(absl::string_view why, absl::Time now, Verification& verification);

// "CONTENT_DIFFERS" for the number of a cause.
std::string CauseWord(int cause);
// One a line, as they are stored.
std::string WriteDifferences(const std::vector<Difference>& differences);
// Lines that are none are left out.
std::vector<Difference> ReadDifferences(absl::string_view text);

}  // namespace godwit::coordinator
