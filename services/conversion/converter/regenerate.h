// The other way to an initramfs with the target's drivers: the guest's own tools make it again, in
// a sandbox (sandbox.h). For images to which nothing can be appended.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/kernels.h"

namespace godwit::convert {

struct RegenerateCommand {
  std::vector<std::string> words;  // the first is an absolute path in the guest
  std::string image;               // path in the guest of what it makes
};

// What the family's tool (FindInitramfsTool) is called with to make the initramfs of `kernel`
// again. FAILED_PRECONDITION: the guest has no such tool.
absl::StatusOr<RegenerateCommand> CommandFor(const GuestRoot& root, const std::string& tool,
                                             const GuestKernel& kernel);

// The tool that builds unified kernel images again; NOT_FOUND when it is none that we know.
absl::StatusOr<std::vector<std::string>> UnifiedCommand(const GuestRoot& root);

// Runs the tool for every kernel that the target can use, and for unified images; each within
// `limit`. The image before stays beside the new one and comes back when the tool fails. Finding:
// REGENERATED for each. FAILED_PRECONDITION: a tool failed, made nothing that a kernel unpacks, or
// took too long.
absl::Status RegenerateImages(GuestRoot& root, const std::string& tool,
                              const std::vector<GuestKernel>& kernels,
                              const std::vector<std::string>& unified, absl::Duration limit,
                              bool dry_run, Findings* findings);

}  // namespace godwit::convert
