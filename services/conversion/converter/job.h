// What godwit-convert is asked for: job.json, which the appliance's host writes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/network.h"
#include "services/conversion/converter/windows/options.h"

namespace godwit::convert {

struct Job {
  std::vector<std::string> source_disks;  // kernel names, boot disk first
  std::vector<Nic> nics;
  bool dry_run = false;
  windows::Options windows;
};

// INVALID_ARGUMENT names the field.
absl::StatusOr<Job> ParseJob(const std::string& json);

}  // namespace godwit::convert
