// The conversion of the file tree of one Linux guest: inspect, edit, verify.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/initramfs.h"
#include "services/conversion/converter/job.h"
#include "services/conversion/converter/volumes.h"
#include "services/conversion/converter/windows/inspection.h"

namespace godwit::convert {

struct Inspection {
  std::string distribution, version, full_string, architecture, boot_loader, initramfs_tool;
  std::vector<GuestKernel> kernels;
  std::string os_family = "linux";
  std::string init_system, selinux;         // "systemd"...; "enforcing"..., "" when there is none
  std::vector<std::string> unified_images;  // paths of kernels with their initramfs inside
  std::vector<std::string> guest_tools, network_kinds;  // of the hypervisor left; "netplan"...
  std::vector<std::string> installations;  // all Linux systems on the disks: "device: name"
  std::optional<WindowsInspection> windows;
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
  Findings findings;
  // The names that the target has; of a bare tree (unset) those that `volumes` give.
  StableName stable;
  // Of the source: "BIOS", "UEFI", "BIOS and UEFI"; of the result: "bios" or "uefi".
  std::string boot_mode = "BIOS", firmware = "bios";
  // Not 0: the boot disk must have this size, then the conversion is possible.
  std::uint64_t boot_disk_bytes = 0;
  std::string added_esp;  // device of an EFI system partition that was made; "" none
  // Of a comparison: as `diff -u` prints it.
  std::string diff;
  std::vector<ScriptOutcome> scripts;
};

// Who only asks gets an answer: what would stop a conversion becomes a BLOCKER. Other errors are
// given back. `unfinished`: the disks are not all there, which may be why.
absl::Status AsFinding(const absl::Status& status, bool unfinished, Outcome* outcome);

using Progress = std::function<void(const std::string& message)>;

// Edits the tree at `root` (mounted, with /boot and the rest in place). `volumes` give stable
// names.
absl::Status ConvertTree(GuestRoot& root, const Job& job, Outcome* outcome,
                         const Progress& progress);

}  // namespace godwit::convert
