// The conversion of the file tree of one Linux guest: inspect, edit, verify.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/initramfs.h"
#include "services/conversion/converter/job.h"
#include "services/conversion/converter/volumes.h"
#include "services/conversion/converter/windows/inspection.h"

namespace godwit::convert {

struct Finding {
  std::string severity, reason, message, remedy;  // severity: NOTE, WARNING, BLOCKER
};

struct Inspection {
  std::string distribution, version, full_string, architecture, boot_loader, initramfs_tool;
  std::vector<GuestKernel> kernels;
  std::string os_family = "linux";
  std::optional<WindowsInspection> windows;
};

struct Outcome {
  Inspection inspection;
  std::vector<Volume> volumes;
  std::vector<Change> changes;
  std::vector<Finding> findings;
};

using Progress = std::function<void(const std::string& message)>;

// Edits the tree at `root` (mounted, with /boot and the rest in place). `volumes` give stable
// names.
absl::Status ConvertTree(GuestRoot& root, const Job& job, Outcome* outcome,
                         const Progress& progress);

}  // namespace godwit::convert
