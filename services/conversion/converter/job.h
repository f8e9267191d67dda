// What godwit-convert is asked for: job.json, which the appliance's host writes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/network.h"

namespace godwit::convert {

struct Job {
  std::vector<std::string> source_disks;  // kernel names, boot disk first
  std::vector<Nic> nics;
  bool dry_run = false;
  bool regenerate = false;                 // the guest's own tools make its initramfs
  int regenerate_seconds = 600;            // each of them within this time
  std::vector<std::string> linux_modules;  // that the target's profile asks for
  std::string platform = "kvm";            // the target's hypervisor: its own guest tools stay
};

// INVALID_ARGUMENT names the field.
absl::StatusOr<Job> ParseJob(const std::string& json);

}  // namespace godwit::convert
