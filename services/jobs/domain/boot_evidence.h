// What consoles say about a boot. Console text is the guest's: it is searched, never obeyed.
#pragma once

#include <optional>
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
  // The rest is concluded when the time is over; the console may show it before.
  kNoNetwork,
  kServiceFailed,
  kMachineStopped,
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

// What was seen of a machine whose proof did not come in time.
struct ProofGap {
  bool stopped = false;       // it does not run any more
  bool alive = false;         // its system started: console or guest agent say so
  bool ports_wanted = false;  // by the proof
  bool any_port_answered = false;
  bool port_refused = false;        // the guest answered that nobody listens
  bool command_failed = false;      // the guest agent ran one and it failed
  std::optional<bool> has_address;  // of a network, as the guest agent says
};
// Why: a failed unit that the console names, no network, a service that does not answer, or kNone
// (the time was too short, or nobody knows).
BootFinding ConcludeFailure(const ProofGap& gap, absl::string_view console);

// The line showing that the kernel started init (or a later sign of life: systemd, login prompt);
// empty when there is none.
std::string FindSignOfLife(absl::string_view console);

// `text` cut to `most` bytes with everything but printable ASCII replaced by '?'.
std::string Printable(absl::string_view text, std::size_t most);

}  // namespace godwit::jobs
