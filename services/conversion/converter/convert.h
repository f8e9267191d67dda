// The conversion of the file tree of one Linux guest: inspect, edit, verify.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/initramfs.h"
#include "services/conversion/converter/job.h"
#include "services/conversion/converter/volumes.h"

namespace godwit::convert {

struct Finding {
  std::string severity, reason, message, remedy;  // severity: NOTE, WARNING, BLOCKER
};

struct Inspection {
  std::string distribution, version, full_string, architecture, boot_loader, initramfs_tool;
  std::vector<GuestKernel> kernels;
};

// One run of an operator's script.
struct ScriptOutcome {
  std::string name, sha256, output;
  int exit_code = 0;
  double seconds = 0;
};

struct Outcome {
  Inspection inspection;
  std::vector<Volume> volumes;
  std::vector<Change> changes;
  std::vector<Finding> findings;
  // Of the source: "BIOS", "UEFI", "BIOS and UEFI"; of the result: "bios" or "uefi".
  std::string boot_mode = "BIOS", firmware = "bios";
  // Not 0: the boot disk must have this size, then the conversion is possible.
  std::uint64_t boot_disk_bytes = 0;
  // Of a comparison: as `diff -u` prints it.
  std::string diff;
  std::vector<ScriptOutcome> scripts;
};

using Progress = std::function<void(const std::string& message)>;

// Edits the tree at `root` (mounted, with /boot and the rest in place). `volumes` give stable
// names.
absl::Status ConvertTree(GuestRoot& root, const Job& job, Outcome* outcome,
                         const Progress& progress);

}  // namespace godwit::convert
