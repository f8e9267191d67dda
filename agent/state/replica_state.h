// What the agent remembers of its replica, in a folder that lives until the next boot (as the
// change marks do).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace godwit::agent {

struct ReplicaState {
  std::string boot_id;     // of the boot it was written in
  std::string replica_id;  // of Opened; empty: none yet
  std::int64_t committed_epoch = 0;
  bool quiesced = false;  // hooks ran with stay_quiesced and were not undone
};

// Another boot, a missing or a damaged file: an empty state.
ReplicaState LoadReplicaState(const std::string& path, const std::string& boot_id);
absl::Status SaveReplicaState(const std::string& path, const ReplicaState& state);

// /proc/sys/kernel/random/boot_id.
absl::StatusOr<std::string> BootId();

}  // namespace godwit::agent
