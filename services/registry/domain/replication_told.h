// What events tell of the replication of a server, and when it is told. Pure.
//
// A condition is told when it was seen, at every look, for its time, and its end the same way: what
// comes and goes faster is not told at all.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace godwit::registry {

struct ToldLimits {
  absl::Duration hold = absl::Seconds(30);     // stalls, lost agents, and ends of all conditions
  absl::Duration lag = absl::Minutes(5);       // from here on it lags, below half of it no more
  absl::Duration lag_hold = absl::Minutes(2);  // so long it must lag
  absl::Duration silence = absl::Seconds(60);  // an agent that was not heard of is lost
};

// What a look saw of one server.
struct ReplicationSeen {
  bool ended = false;    // stopped or disconnected: nothing of it counts any more
  bool paused = false;   // on purpose: nothing is wrong meanwhile
  bool flowing = false;  // past its initial sync, whatever it does now
  bool stalled = false;
  std::string stall_cause;                // "AGENT_NOT_SEEN"
  std::optional<absl::Duration> lag;      // unset before the first point
  std::optional<absl::Duration> silence;  // since the agent was heard of; unset: never
  bool has_point = false;
  std::optional<absl::Time> rescan_time;  // begin of the last comparison of a whole disk
  std::string rescan_reason;
};

struct Condition {
  bool told = false;
  std::optional<absl::Time> since;  // it is seen otherwise than it was told
  bool operator==(const Condition&) const = default;
};

struct ReplicationTold {
  bool active = true;
  Condition stalled, lagging, disconnected;
  std::string stall_cause;
  std::optional<bool> synced;  // unset: nothing was told, and nothing is told of what was before
  std::optional<absl::Time> rescan_time;
  std::string rescan_reason;
  bool operator==(const ReplicationTold&) const = default;
};

// `before` unset: the server is new. Equal to `before` when there is nothing to remember.
ReplicationTold Decide(const std::optional<ReplicationTold>& before, const ReplicationSeen& seen,
                       absl::Time now, const ToldLimits& limits);

}  // namespace godwit::registry
