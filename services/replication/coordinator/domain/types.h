// Values of the coordinator. Enumerators have the numbers of the API, which are the stored ones.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/replication/coordinator/domain/figures.h"

namespace godwit::coordinator {

// What the operator (through the registry) wants of a server.
enum class Wish { kReplicate = 1, kPause = 2, kStop = 3, kDisconnect = 4 };

enum class State {
  kStopped = 1,
  kInitiating = 2,
  kInitialSync = 3,
  kBacklog = 4,
  kCreatingSnapshot = 5,
  kContinuous = 6,
  kPaused = 7,
  kRescan = 8,
  kStalled = 9,
  kDisconnected = 10,
};

enum class StallCause {
  kNone = 0,
  kAgentNotSeen = 1,
  kSnapshotsFailure = 2,
  kNotConverging = 3,
  kUnstableNetwork = 4,
  kFailedToPair = 5,
  kFailedToConnect = 6,
  kFailedToCreateStagingDisks = 7,
  kFailedToStartDataTransfer = 8,
  kStagingFull = 32,
  kNoWorkerAvailable = 33,
  kSourceReadError = 34,
};

// What the agent says it is doing.
enum class Phase {
  kUnknown = 0,
  kConnecting = 1,
  kInitialSync = 2,
  kRescan = 3,
  kCopying = 4,
  kCutting = 5,
  kIdle = 6,
  kPaused = 7,
  kFailed = 8,
};

struct Disk {
  std::string disk_id, device_name;
  std::int64_t size_bytes = 0;
  bool is_boot_disk = false;
  std::string tracker;
  std::int64_t pending_bytes = 0, replicated_bytes = 0, rescanned_bytes = 0;
  bool operator==(const Disk&) const = default;
};

// A block of the replica that was not what the source has.
struct Difference {
  std::string disk_id;
  std::int64_t offset_bytes = 0, size_bytes = 0;
  absl::Time found_time;
  int cause = 0;
  bool operator==(const Difference&) const = default;
};

// Rule of retention: one point per `every` among those younger than `age`.
struct RetentionRule {
  absl::Duration every, age;
};

// The replication of one server: a row.
struct Server {
  std::string id;
  std::int64_t version = 0;
  Wish wish = Wish::kReplicate;
  State state = State::kInitiating;
  absl::Time state_time;
  StallCause stall_cause = StallCause::kNone;
  std::string error_message;
  absl::Time attempt_time;
  bool transferring = false;            // data flowed since the last start
  std::optional<absl::Time> flow_time;  // when it last did

  std::string worker_id;  // empty: no lease
  std::int64_t generation = 0;
  bool releasing = false;
  std::optional<absl::Time> unassigned_since;
  std::string store_id;  // empty: no replica yet

  std::optional<absl::Time> agent_seen_time;
  std::string agent_version, boot_id;
  bool agent_released = false;
  Phase phase = Phase::kUnknown;
  std::int64_t connected_generation = 0;
  std::int64_t wire_bytes = 0, sent_bytes = 0, bytes_per_second = 0;
  std::string codec;
  double drain_bytes_per_second = 0;  // how fast the backlog shrinks, smoothed
  int bottleneck_stage = 0, bottleneck_permille = 0;
  std::string bottleneck_action;
  Figures bottleneck_shares;  // stage, permille
  Figures losses;             // kind, count
  int rescan_count = 0;
  std::string rescan_reason;
  std::optional<absl::Time> rescan_time;
  std::string agent_error;
  StallCause agent_cause = StallCause::kNone;
  int abandoned_cut_count = 0;
  std::optional<absl::Time> idle_time;         // until when the replica is known to hold the source
  std::optional<absl::Duration> reported_lag;  // of a report only
  std::optional<absl::Time> verified_time;     // end of the last comparison of everything
  std::int64_t difference_count = 0;           // since it came into service
  std::int64_t agent_difference_count = 0;     // as the agent's present process counts
  std::vector<Difference> differences;         // the newest, newest last

  std::optional<absl::Time> group_seen_time;
  std::int64_t group_generation = 0;
  bool group_connected = false;
  std::int64_t group_allocated_bytes = 0;  // in the store, with points and clones
  std::string group_error;
  StallCause group_cause = StallCause::kNone;

  std::string settings;  // as the registry gave them; opaque here
  bool keep_agent = false;
  std::optional<absl::Time> undo_until;
  bool staging_removed = false;

  // Of other tables.
  std::vector<Disk> disks;
  std::string worker_endpoint;
  bool worker_alive = false;
  std::string latest_point_id;  // kept, of the present store
  std::optional<absl::Time> latest_cut_time;
  // The database's clock when the row was read; all times above are of that clock.
  absl::Time now;
};

struct Worker {
  std::string id;
  std::int64_t incarnation = 0;
  std::string endpoint, store_id;
  std::map<std::string, std::string> labels;
  int max_server_count = 0;
  std::string version;
  bool draining = false, leaving = false, dead = false;
  absl::Time seen_time;
  std::int64_t store_total_bytes = 0, store_free_bytes = 0;
  int server_count = 0;
};

}  // namespace godwit::coordinator
