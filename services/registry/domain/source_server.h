// A machine being migrated, as the registry keeps it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "services/registry/domain/lifecycle.h"

namespace godwit::registry {

// One launch in the life of a server.
struct LaunchRecord {
  std::string job;  // "job-..."; empty: never
  std::optional<absl::Time> initiate, finalize, revert;
};

// Numbers are stored and equal those of jobs.v1.ParticipatingServer.LaunchStatus.
enum class LaunchStatus {
  kNone = 0,
  kPending = 1,
  kInProgress = 2,
  kLaunched = 3,
  kFailed = 4,
  kTerminated = 5
};

struct SourceServer {
  std::string id;  // "s-..."
  std::int64_t version = 0;
  Lifecycle lifecycle = Lifecycle::kNotReady;
  absl::Time state_time;
  bool archived = false;
  std::string user_provided_id;
  std::string application;  // "app-..."; empty: none

  LaunchRecord last_test, last_cutover;
  std::string launch_job;  // the latest job that launches or terminates
  LaunchStatus launch_status = LaunchStatus::kNone;

  std::string public_key_hash;  // empty: no agent enrolled
  std::int64_t certificate_generation = 0;
  std::string renewal_hash;  // of the CSR that got the present certificate
  bool identity_revoked = false;

  // JSON documents whose form only rpc/ knows; empty: none.
  std::string properties, machine;
  std::string tags = "{}", replication_settings = "{}", launch_settings = "{}", notes = "{}";

  absl::Time create_time, update_time;
  std::optional<absl::Time> enroll_time;
};

}  // namespace godwit::registry
