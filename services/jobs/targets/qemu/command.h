// The command line of a launched machine, and what QEMU says about its forwarded ports.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/jobs/targets/qemu/machine_state.h"

namespace godwit::jobs {

// Names inside a machine's folder.
inline constexpr char kStateFile[] = "state.json";
inline constexpr char kConsoleLog[] = "console.log";
inline constexpr char kFirmwareLog[] = "firmware.log";
inline constexpr char kQemuLog[] = "qemu.log";
inline constexpr char kQmpSocket[] = "qmp.sock";
inline constexpr char kAgentSocket[] = "agent.sock";
inline constexpr char kNetworkDump[] = "network.pcap";
inline constexpr char kPidFile[] = "qemu.pid";
inline constexpr char kRunLock[] = "run.lock";
inline constexpr char kVariableStore[] = "efivars.fd";

// Name of the machine's own disk file, "disk0.qcow2".
std::string DiskFile(std::size_t index);

// The argument by which a machine's process is recognised.
std::string GuestArgument(const std::string& machine_id);

// Checks what no other part checks: names, sizes, buses, models, forwards. INVALID_ARGUMENT names
// the field.
absl::Status CheckSpec(const MachineSpec& spec);

// `state.accelerator` is "kvm" or "tcg"; ports that were chosen before are asked for again. All
// file names are relative to the machine's folder, except `uefi_code`. `blockdevs`: JSON of disks
// that are encrypted, empty for the others (machine_disks.h).
std::vector<std::string> QemuCommand(const MachineState& state, const std::string& uefi_code,
                                     const std::vector<std::string>& blockdevs = {});

// "info usernet" taken apart: guest port -> "host:port".
std::map<int, std::string> ParseForwards(absl::string_view usernet);

// Whether the guest took the connection to its port that is open, as "info usernet" shows it: one
// is established, or none still waits for the guest.
bool ShowsConnection(absl::string_view usernet, int guest_port);

}  // namespace godwit::jobs
