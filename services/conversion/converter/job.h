// What godwit-convert is asked for: job.json, which the appliance's host writes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/network.h"

namespace godwit::convert {

// An operator's script, to run in the guest's tree after the conversion.
struct Script {
  std::string name;  // "10-motd", or "20-users.chroot" to run inside of the tree
  std::string text;
  int timeout_seconds = 60;
};

struct Job {
  std::vector<std::string> source_disks;  // kernel names, boot disk first
  std::vector<Nic> nics;
  bool dry_run = false;
  // Of the target's profile.
  std::vector<std::string> linux_modules, kernel_arguments;
  std::vector<std::string> firmware = {"bios", "uefi"};  // that the target has, preferred first
  std::string boot_mode;  // "", "bios" or "uefi": what is asked for; "": as the source
  std::vector<Script> scripts;
  std::string action;  // "", "diff" or "undo" instead of a conversion
};

// INVALID_ARGUMENT names the field.
absl::StatusOr<Job> ParseJob(const std::string& json);

}  // namespace godwit::convert
