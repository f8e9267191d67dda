// What godwit-convert is asked for: job.json, which the appliance's host writes.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/network.h"
#include "services/conversion/converter/windows/options.h"

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
  bool unfinished = false;       // what is missing of the disks reads as zeros
  bool regenerate = false;       // the guest's own tools make its initramfs
  int regenerate_seconds = 600;  // each of them within this time
  // Of the target's profile.
  std::vector<std::string> linux_modules, kernel_arguments;
  std::vector<std::string> firmware = {"bios", "uefi"};  // that the target has, preferred first
  std::string boot_mode;  // "", "bios" or "uefi": what is asked for; "": as the source
  std::vector<Script> scripts;
  std::string action;      // "", "diff" or "undo" instead of a conversion
  std::string hypervisor;  // of the target: its own guest tools stay; empty: not told
  // Keys of encrypted disks: "<luks-uuid>.key", "default.key". Not of job.json.
  std::string key_folder = "/keys";
  windows::Options windows;
};

// INVALID_ARGUMENT names the field.
absl::StatusOr<Job> ParseJob(const std::string& json);

}  // namespace godwit::convert
