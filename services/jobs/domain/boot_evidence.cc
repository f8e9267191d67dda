#include "services/jobs/domain/boot_evidence.h"

#include <algorithm>
#include <iterator>

namespace godwit::jobs {
namespace {

struct Pattern {
  BootFailure failure;
  absl::string_view text;
};

// Most telling first.
constexpr Pattern kConsolePatterns[] = {
    {BootFailure::kKernelPanicNoRoot, "Unable to mount root fs"},
    {BootFailure::kKernelPanicNoRoot, "Cannot open root device"},
    {BootFailure::kInitramfsShell, "Dropping to a shell!"},
    {BootFailure::kInitramfsShell, "Gave up waiting for root"},
    {BootFailure::kInitramfsShell, "Warning: /dev/disk/by-"},
    {BootFailure::kInitramfsShell, "Entering emergency mode. Exit the shell to continue"},
    {BootFailure::kInitramfsShell, "dracut-emergency"},
    {BootFailure::kEmergencyMode, "You are in emergency mode"},
    {BootFailure::kEmergencyMode, "Emergency Mode."},
    {BootFailure::kEmergencyMode, "emergency.target"},
    {BootFailure::kKernelPanic, "Kernel panic - not syncing"},
    {BootFailure::kBootLoaderPrompt, "grub rescue>"},
    {BootFailure::kBootLoaderPrompt, "Minimal BASH-like line editing is supported"},
    {BootFailure::kNoBootableDevice, "No bootable device"},
    {BootFailure::kNoBootableDevice, "BdsDxe: No bootable option"},
    {BootFailure::kNoBootableDevice, "Shell> "},
};
constexpr Pattern kFirmwarePatterns[] = {
    {BootFailure::kNoBootableDevice, "No bootable device"},
};
constexpr absl::string_view kLife[] = {"Run /init as init process",
                                       "Run /sbin/init as init process",
                                       "systemd[1]: ",
                                       "Welcome to ",
                                       " login: ",
                                       "INIT: version"};

constexpr absl::string_view kNetworkPatterns[] = {
    "Failed to start Raise network interfaces",
    "Failed to start networking.service",
    "Failed to start Network Manager",
    "Cannot find device",
    "Network is unreachable",
    "no link-local or routable address",
};
// As systemd and its kin write it.
constexpr absl::string_view kFailedUnit = "Failed to start ";

absl::string_view LineAt(absl::string_view text, std::size_t at) {
  std::size_t begin = text.find_last_of('\n', at);
  begin = begin == absl::string_view::npos ? 0 : begin + 1;
  const std::size_t end = text.find_first_of("\r\n", at);
  return text.substr(begin, (end == absl::string_view::npos ? text.size() : end) - begin);
}

}  // namespace

const char* FailureName(BootFailure failure) {
  switch (failure) {
    case BootFailure::kNone:
      return "TIMEOUT";
    case BootFailure::kNoBootableDevice:
      return "NO_BOOTABLE_DEVICE";
    case BootFailure::kKernelPanicNoRoot:
      return "KERNEL_PANIC_NO_ROOT";
    case BootFailure::kKernelPanic:
      return "KERNEL_PANIC";
    case BootFailure::kInitramfsShell:
      return "INITRAMFS_SHELL";
    case BootFailure::kEmergencyMode:
      return "EMERGENCY_SHELL_FSTAB";
    case BootFailure::kBootLoaderPrompt:
      return "BOOT_LOADER_PROMPT";
    case BootFailure::kNoNetwork:
      return "NO_NETWORK";
    case BootFailure::kServiceFailed:
      return "SERVICE_FAILED";
    case BootFailure::kMachineStopped:
      return "MACHINE_STOPPED";
  }
  return "TIMEOUT";
}

const char* FailureRemedy(BootFailure failure) {
  switch (failure) {
    case BootFailure::kNoBootableDevice:
      return "check that the boot disk is replicated and that the boot mode is the source's";
    case BootFailure::kKernelPanicNoRoot:
    case BootFailure::kInitramfsShell:
      return "the root disk was not found: look at the conversion's findings for missing drivers "
             "or "
             "an unresolved root=";
    case BootFailure::kEmergencyMode:
      return "a file system of fstab did not mount: look at the console log and at fstab";
    case BootFailure::kBootLoaderPrompt:
      return "the boot loader did not find its files: check that /boot's disk is replicated";
    case BootFailure::kKernelPanic:
      return "look at the console log";
    case BootFailure::kNoNetwork:
      return "the machine runs but nothing reaches it: look at its network configuration, names "
             "and "
             "MAC addresses of its interfaces, and at the conversion's findings";
    case BootFailure::kServiceFailed:
      return "the machine runs but a service of it does not: look at its own logs";
    case BootFailure::kMachineStopped:
      return "look at the console log for what ended it";
    case BootFailure::kNone:
      return "look at the console log; raise the boot proof's time limit if the machine is only "
             "slow";
  }
  return "";
}

std::string Printable(absl::string_view text, std::size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

BootFinding FindFailure(absl::string_view console, absl::string_view firmware) {
  for (const Pattern& pattern : kConsolePatterns) {
    const std::size_t at = console.find(pattern.text);
    if (at == absl::string_view::npos) continue;
    return {pattern.failure, Printable(LineAt(console, at), 300)};
  }
  for (const Pattern& pattern : kFirmwarePatterns) {
    const std::size_t at = firmware.find(pattern.text);
    if (at == absl::string_view::npos) continue;
    return {pattern.failure, Printable(LineAt(firmware, at), 300)};
  }
  return {};
}

BootFinding ConcludeFailure(const ProofGap& gap, absl::string_view console) {
  if (gap.stopped) return {BootFailure::kMachineStopped, "the machine stopped by itself"};
  const bool alive =
      gap.alive || gap.port_refused || gap.any_port_answered || !FindSignOfLife(console).empty();
  if (!alive) return {};
  for (const absl::string_view text : kNetworkPatterns) {
    const std::size_t at = console.find(text);
    const bool of_it = at != absl::string_view::npos && !gap.any_port_answered && !gap.port_refused;
    if (of_it && gap.ports_wanted)
      return {BootFailure::kNoNetwork, Printable(LineAt(console, at), 300)};
  }
  if (const std::size_t at = console.find(kFailedUnit); at != absl::string_view::npos)
    return {BootFailure::kServiceFailed, Printable(LineAt(console, at), 300)};
  if (gap.command_failed || gap.port_refused || gap.any_port_answered)
    return {BootFailure::kServiceFailed, "the machine answers, but not as the proof wants it"};
  if (!gap.ports_wanted) return {};
  if (gap.has_address.value_or(false))
    return {BootFailure::kServiceFailed, "the machine has an address, but no port answers"};
  return {BootFailure::kNoNetwork, "the system started, but no port answers"};
}

std::string FindSignOfLife(absl::string_view console) {
  std::size_t first = absl::string_view::npos;
  for (const absl::string_view text : kLife) first = std::min(first, console.find(text));
  if (first == absl::string_view::npos) return "";
  return Printable(LineAt(console, first), 300);
}

}  // namespace godwit::jobs
