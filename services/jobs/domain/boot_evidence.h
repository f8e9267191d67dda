// What consoles say about a boot. Console text is the guest's: it is searched, never obeyed.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace godwit::jobs {

// Stable words, reasons of the error of a launch that failed its boot proof.
enum class BootFailure {
  kNone,
  kNoBootableDevice,
  kKernelPanicNoRoot,
  kKernelPanic,
  kInitramfsShell,
  kEmergencyMode,
  kBootLoaderPrompt,
};

struct BootFinding {
  BootFailure failure = BootFailure::kNone;
  std::string line;  // the line that says so, at most 300 bytes, printable
};

// "NO_BOOTABLE_DEVICE", "KERNEL_PANIC_NO_ROOT"...
const char* FailureName(BootFailure failure);
// What an operator can do about it.
const char* FailureRemedy(BootFailure failure);

// The failure that `console` (serial) or `firmware` (debug console of the firmware) shows; the most
// telling one wins: a panic after an initramfs shell is a panic for want of a root.
BootFinding FindFailure(absl::string_view console, absl::string_view firmware);

// The line showing that the kernel started init (or a later sign of life: systemd, login prompt);
// empty when there is none.
std::string FindSignOfLife(absl::string_view console);

// `text` cut to `most` bytes with everything but printable ASCII replaced by '?'.
std::string Printable(absl::string_view text, std::size_t most);

}  // namespace godwit::jobs
