// Whether virtualisation is hardware accelerated here. The answer comes from a real boot: /dev/kvm
// may exist, open and even run firmware, and still never get a kernel through its first page
// tables.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace godwit::jobs {

enum class AcceleratorChoice { kAuto, kKvm, kTcg };

struct AcceleratorOptions {
  AcceleratorChoice choice = AcceleratorChoice::kAuto;
  std::string probe_kernel;  // a Linux kernel image; empty: auto means tcg
  std::string cache_dir;     // where the answer is kept, for this boot of the host
  absl::Duration deadline = absl::Seconds(20);
};

// "kvm" or "tcg". Auto: boots the probe kernel under KVM until its own attempt to mount a root
// (there is none); only a kernel that gets there proves KVM.
std::string ProbeAccelerator(const AcceleratorOptions& options);

}  // namespace godwit::jobs
