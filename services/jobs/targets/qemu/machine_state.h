// What the qemu target remembers of a machine: <machines-dir>/<machine id>/state.json, replaced
// atomically. A restarted service finds its machines again by it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct MachineState {
  MachineSpec spec;
  bool started = false;          // it was started at least once
  int pid = 0;                   // of QEMU, 0 when it was stopped in order
  std::uint64_t start_time = 0;  // of that process, clock ticks since boot
  std::string accelerator;
  std::map<int, std::string> endpoints;  // guest port -> "host:port", as chosen
};

std::string ToJson(const MachineState& state);
// INTERNAL names the field that is wrong: the file is ours, but disks rot.
absl::StatusOr<MachineState> MachineStateFromJson(absl::string_view text);

}  // namespace godwit::jobs
