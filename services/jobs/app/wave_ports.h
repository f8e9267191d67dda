// What wave runs need of the registry, of the store, and of launched machines, as plain values.
// Implementations are thread-safe and bound their waits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/jobs/domain/wave_run.h"

namespace godwit::jobs {

// A server as the registry and the replication service have it, as far as waves need to know. The
// numbers of the life cycle are those of godwit.registry.v1.SourceServer.LifecycleState.
struct FleetServer {
  enum class Lifecycle {
    kUnknown = 0,
    kPendingInstallation = 1,
    kDiscovered = 2,
    kStopped = 3,
    kNotReady = 4,
    kReadyForTest = 5,
    kTesting = 6,
    kReadyForCutover = 7,
    kCuttingOver = 8,
    kCutover = 9,
    kDisconnected = 10
  };
  // The numbers are those of godwit.jobs.v1.ParticipatingServer.LaunchStatus; 0: never launched.
  enum class Launch { kNone = 0, kPending, kInProgress, kLaunched, kFailed, kTerminated };
  std::string id;  // "s-..."
  std::string hostname;
  Lifecycle lifecycle = Lifecycle::kUnknown;
  std::string lifecycle_word;  // "READY_FOR_TEST"
  Launch launch = Launch::kNone;
  std::string last_cutover_job;  // "job-..." or empty
  bool identity_revoked = false;
  std::string blocking_action;      // a post-launch action that must succeed and failed
  std::string replication_problem;  // "STALLED (AGENT_NOT_SEEN)"; empty: none that is known
};
struct FleetApplication {
  std::string id;  // "app-..."
  std::string display_name;
  std::vector<FleetServer> servers;  // by host name, then id
};
struct FleetWave {
  std::string id;  // "wave-..."
  std::string display_name;
  bool archived = false;
  std::vector<FleetApplication> applications;
};

// The registry's verbs and reads. Errors are the registry's own.
class FleetPort {
 public:
  virtual ~FleetPort() = default;
  // The wave with its applications and servers, archived ones left out. `replication`: also what
  // the replication service says of each. NOT_FOUND; INVALID_ARGUMENT: more than the bounds of
  // wave_run.h.
  virtual absl::StatusOr<FleetWave> ReadWave(const std::string& wave, bool replication) = 0;
  virtual absl::StatusOr<FleetServer> ReadServer(const std::string& server) = 0;
  // The job, "job-...". The same request id gives the same job.
  virtual absl::StatusOr<std::string> StartTest(const std::string& server,
                                                const std::string& request_id) = 0;
  virtual absl::StatusOr<std::string> StartCutover(const std::string& server,
                                                   const std::string& request_id) = 0;
  // NOT_FOUND: it has no launched machine.
  virtual absl::StatusOr<std::string> Terminate(const std::string& server,
                                                const std::string& request_id) = 0;
  virtual absl::Status RevertCutover(const std::string& server, const std::string& request_id) = 0;
  virtual absl::Status MarkReady(const std::string& server, const std::string& request_id) = 0;
  virtual absl::Status Finalize(const std::string& server, bool keep_agent,
                                const std::string& request_id) = 0;
};

struct WaveLease {
  std::string run_id;
  std::int64_t generation = 0;
};
struct NewWaveRun {
  WaveRun run;
  std::string request_id, request_hash;
};
struct WaveRunFilter {
  std::string wave;  // "wave-...", or empty
  bool active_only = false;
  std::optional<std::vector<std::string>> within;  // only runs of these waves; nullopt: of any
  int limit = 50;
  std::int64_t before = 0;
};
struct WaveRunPage {
  std::vector<WaveRun> runs;  // without groups
  std::int64_t next_before = 0;
};
struct WaveEventRecord {
  std::int64_t sequence = 0;
  absl::Time time;
  WaveEvent event;
};
// An operator's change of a run.
struct WaveChange {
  std::string run_id, request_id, request_hash;
  std::optional<std::int64_t> version;  // that the run must have
};
struct ClaimedWaveRun {
  WaveLease lease;
  std::string before;  // who held it when its lease ran out; empty: nobody
};

// Decides on the locked run; an error rolls back.
using DecideWave = std::function<absl::Status(WaveRun&, std::vector<WaveEvent>&)>;

// Where wave runs live. Every call is one transaction. Writes of runners name their generation: one
// with another changes nothing and gives the lost-lease error (domain/errors.h).
class WaveStore {
 public:
  virtual ~WaveStore() = default;
  // The same request id gives the same run. INVALID_ARGUMENT: it was used for something else.
  // ALREADY_EXISTS: another run of the wave has not ended; its id is in the status
  // (wave_errors.h).
  virtual absl::StatusOr<WaveRun> Create(const NewWaveRun& run) = 0;
  // The run made by this request. NOT_FOUND; INVALID_ARGUMENT: the request was another one.
  virtual absl::StatusOr<WaveRun> FindRequest(const std::string& request_id,
                                              const std::string& request_hash) = 0;
  virtual absl::StatusOr<WaveRun> Get(const std::string& run_id) = 0;
  virtual absl::StatusOr<WaveRunPage> List(const WaveRunFilter& filter) = 0;
  virtual absl::StatusOr<std::vector<WaveEventRecord>> ListEvents(const std::string& run_id,
                                                                  std::int64_t after,
                                                                  int limit) = 0;
  // Changes whenever the run changes. NOT_FOUND.
  virtual absl::StatusOr<std::int64_t> Version(const std::string& run_id) = 0;
  // A change repeated with its request id gives the run as it is. ABORTED: another version.
  virtual absl::StatusOr<WaveRun> Change(const WaveChange& change, const DecideWave& decide) = 0;

  // A due run, now leased; nothing when none is due.
  virtual absl::StatusOr<std::optional<ClaimedWaveRun>> Claim(const std::string& owner,
                                                              absl::Duration ttl) = 0;
  virtual absl::Status Renew(const WaveLease& lease, absl::Duration ttl) = 0;
  // Decides on the run, extends the lease; the run as it then is.
  virtual absl::StatusOr<WaveRun> Modify(const WaveLease& lease, absl::Duration ttl,
                                         const DecideWave& decide) = 0;
  // Gives the lease back; due again after `delay`. A run that has nothing to do (wave_rules.h,
  // Rests) is not due until somebody changes it.
  virtual absl::Status Release(const WaveLease& lease, absl::Duration delay) = 0;

  // Jobs under way (launches, terminations), by server. Ids only.
  virtual absl::StatusOr<std::map<std::string, std::string>> JobsUnderWay(
      const std::vector<std::string>& servers) = 0;
  // The job that this request made; empty when there is none.
  virtual absl::StatusOr<std::string> JobOfRequest(const std::string& request_id) = 0;
};

// What a runner does besides the store.
class GatePort {
 public:
  virtual ~GatePort() = default;
  // Whether the check holds on the machine that `job` launched for `server`. UNAVAILABLE says why
  // not (yet).
  virtual absl::Status Try(const std::string& job, const std::string& server,
                           const WaveCheck& check) = 0;
};

}  // namespace godwit::jobs
