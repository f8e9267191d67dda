// A place where machines are launched. All calls are idempotent by machine id and carry the epoch
// of the run's lease: a caller with an older epoch than the machine has seen is refused with
// ABORTED, so a runner that was paused past its lease cannot bring a machine back. Thread-safe;
// calls block, at most for the times their options name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/jobs/domain/settings.h"

namespace godwit::jobs {

struct MachineDisk {
  std::string path;  // a qcow2 overlay; the machine writes to an overlay of its own on it
};

struct MachineNic {
  std::string mac_address;
  std::string model = "virtio";  // "virtio", "e1000", "e1000e"
  std::string bridge;            // of Network::kBridge
};

struct MachineSpec {
  std::string machine_id;  // "i-..."
  std::int64_t epoch = 0;
  std::string name;  // for people
  int cpu_count = 1;
  std::int64_t memory_bytes = 0;
  std::string firmware = "bios";    // "bios" or "uefi"
  std::string disk_bus = "virtio";  // "virtio", "virtio-scsi", "nvme", "ahci"
  std::vector<MachineDisk> disks;   // boot disk first
  std::vector<MachineNic> nics;
  Network network = Network::kIsolated;
  std::vector<PortForward> port_forwards;
  bool throw_away = false;  // a test machine: its disks need not survive a power cut
  std::string description;  // for people, at most 4 KiB
  std::map<std::string, std::string> tags;
  std::string export_format;  // of target export, as of image/formats.h; empty: "qcow2"
};

// How a creation that takes long is watched; either may be null.
struct CreateWatch {
  // Asked before the first effect, once nobody else can change the machine, and then several times
  // a second of a long creation; its error ends the creation and is given back. So a runner that
  // was paused cannot make a machine that was removed since.
  std::function<absl::Status()> check;
  std::function<void(const std::string& message, std::int64_t done_bytes, std::int64_t total_bytes)>
      progress;
};

enum class Power { kAbsent, kStopped, kRunning };

struct MachineStatus {
  Power power = Power::kAbsent;
  int pid = 0;                           // of a running machine on this host
  std::string accelerator;               // "kvm" or "tcg", once started
  std::map<int, std::string> endpoints;  // guest port -> "host:port", once started
  std::string console_log;               // path on the target host
  std::string folder;                    // of a machine that is files, on the target host
};

// At most this much of a screen, as PNG.
inline constexpr std::size_t kMostScreenshotBytes = 2u << 20;

struct ConsoleChunk {
  std::string content;
  std::int64_t next_offset = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  // Stable name, "qemu".
  virtual const std::string& name() const = 0;
  // Whether a machine with this description could be created here; INVALID_ARGUMENT or
  // FAILED_PRECONDITION says what is in the way.
  virtual absl::Status Validate(const MachineSpec& spec) = 0;
  // Makes the machine's disks and description; does not start it. Called again after an error it
  // goes on where it was.
  virtual absl::Status CreateWatched(const MachineSpec& spec, const CreateWatch& watch) = 0;
  absl::Status Create(const MachineSpec& spec) { return CreateWatched(spec, {}); }
  virtual absl::Duration create_timeout() const { return absl::Minutes(5); }
  // False: machines are only made; Start is FAILED_PRECONDITION, there is nothing to look at.
  virtual bool starts_machines() const { return true; }
  // NOT_FOUND: not created.
  virtual absl::StatusOr<MachineStatus> Start(const std::string& machine_id,
                                              std::int64_t epoch) = 0;
  // Asks the guest to power down, waits at most `grace`, then pulls the plug.
  virtual absl::Status Stop(const std::string& machine_id, absl::Duration grace) = 0;
  virtual absl::StatusOr<MachineStatus> Describe(const std::string& machine_id) = 0;
  // At most 1 MiB from `offset`; a negative offset counts from the end. NOT_FOUND: no such machine.
  virtual absl::StatusOr<ConsoleChunk> ReadConsole(const std::string& machine_id,
                                                   std::int64_t offset) = 0;
  // What the firmware said (at most 64 KiB), empty when the target cannot know.
  virtual std::string ReadFirmwareLog(const std::string& machine_id) = 0;
  // What the machine's screen shows, as PNG. FAILED_PRECONDITION: it does not run.
  virtual absl::StatusOr<std::string> Screenshot(const std::string& machine_id) = 0;
  // The text on the machine's screen (and lines that scrolled off it) while it is in a text mode;
  // at most 64 KiB of printable lines. Something else in a graphics mode; empty when the target
  // cannot know.
  virtual std::string ReadScreenText(const std::string&) { return ""; }
  // One command of the QEMU guest agent's protocol and the value of its "return", both JSON.
  // UNAVAILABLE: no agent answers (yet). FAILED_PRECONDITION: the agent's refusal. The answer is
  // the guest's: bounded (8 MiB), to be checked.
  virtual absl::StatusOr<std::string> AskAgent(const std::string& machine_id,
                                               const std::string& command,
                                               absl::Duration timeout) = 0;
  // Whether the guest itself took a connection to its port that is open now. A user-mode network
  // accepts for a guest that is not up yet. Targets with real networks know no doubt: true.
  virtual absl::StatusOr<bool> TookConnection(const std::string&, int /*guest_port*/) {
    return true;
  }
  // What the machine tried to reach, one line each, when the target can know; at most 200 lines.
  virtual std::vector<std::string> NetworkAttempts(const std::string&) { return {}; }
  // Copies all that the disks still take from the clone into them, while the machine runs;
  // afterwards the machine needs neither clone nor staging. A machine that is stopped is copied at
  // rest. Asks `check` now and then and stops with its error; called again it goes on where it was.
  virtual absl::Status Detach(const std::string& machine_id, absl::Duration timeout,
                              const std::function<absl::Status()>& check) = 0;
  // Machine, disks, logs, description: all gone. Destroying what is not there succeeds.
  virtual absl::Status Destroy(const std::string& machine_id) = 0;
  // Ids of the machines that exist here.
  virtual absl::StatusOr<std::vector<std::string>> List() = 0;
};

}  // namespace godwit::jobs
