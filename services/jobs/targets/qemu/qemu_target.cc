#include "services/jobs/targets/qemu/qemu_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/targets/machine_files.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/machine_disks.h"
#include "services/jobs/targets/qemu/process.h"

namespace godwit::jobs {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostConsoleBytes = 64ll << 20;
constexpr std::int64_t kMostChunk = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<QemuTarget>> QemuTarget::Open(QemuOptions options) {
  RETURN_IF_ERROR(MakeDirs(options.machines_dir, 0700));
  // Machines' processes work from their own folder: every path must be absolute.
  std::error_code error;
  options.machines_dir = fs::canonical(options.machines_dir, error).string();
  if (error) return absl::InternalError(absl::StrCat("machines-dir: ", error.message()));
  options.accelerator.cache_dir = options.machines_dir;
  return std::unique_ptr<QemuTarget>(new QemuTarget(std::move(options)));
}

QemuTarget::QemuTarget(QemuOptions options) : options_(std::move(options)) {}

std::string QemuTarget::Dir(const std::string& machine_id) const {
  return absl::StrCat(options_.machines_dir, "/", machine_id);
}

absl::StatusOr<Fd> QemuTarget::Lock(const std::string& machine_id) {
  return LockMachine(options_.machines_dir, machine_id);
}

absl::StatusOr<MachineState> QemuTarget::Load(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  const auto text = ReadFile(absl::StrCat(Dir(machine_id), "/", kStateFile), 1 << 20);
  if (!text.ok()) {
    if (absl::IsNotFound(text.status())) {
      return absl::NotFoundError(absl::StrCat("no machine ", machine_id));
    }
    return text.status();
  }
  return MachineStateFromJson(*text);
}

absl::Status QemuTarget::Save(const MachineState& state) {
  return WriteFileAtomically(absl::StrCat(Dir(state.spec.machine_id), "/", kStateFile),
                             ToJson(state));
}

absl::Status QemuTarget::Validate(const MachineSpec& spec) {
  RETURN_IF_ERROR(CheckSpec(spec));
  if (spec.firmware == "uefi" && access(options_.uefi_code.c_str(), R_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("firmware: ", options_.uefi_code, " is missing; install the package ovmf"));
  }
  return absl::OkStatus();
}

absl::Status QemuTarget::MakeDisks(const MachineSpec& spec, const std::string& dir) {
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const std::string& base = spec.disks[i].path;
    struct stat info {};
    if (stat(base.c_str(), &info) != 0) return ErrnoStatus(absl::StrCat("disk ", base));
    if (!S_ISREG(info.st_mode)) {
      return absl::InvalidArgumentError(absl::StrCat("disk ", base, ": no regular file"));
    }
    RETURN_IF_ERROR(
        MakeOverlay(base, absl::StrCat(dir, "/", DiskFile(i)), options_.master_key_file));
  }
  return absl::OkStatus();
}

absl::Status QemuTarget::CreateWatched(const MachineSpec& spec, const CreateWatch& watch) {
  RETURN_IF_ERROR(Validate(spec));
  GODWIT_FAILPOINT("jobs.qemu.create");
  ASSIGN_OR_RETURN(const Fd lock, Lock(spec.machine_id));
  if (auto present = Load(spec.machine_id); present.ok()) {
    if (spec.epoch < present->spec.epoch) return LostLease();
    present->spec.epoch = spec.epoch;
    return Save(*present);
  } else if (!absl::IsNotFound(present.status())) {
    return present.status();
  }
  if (watch.check != nullptr) RETURN_IF_ERROR(watch.check());
  // The state file is written last: a folder without one is a creation that was cut off.
  const std::string dir = Dir(spec.machine_id);
  std::error_code error;
  fs::remove_all(dir, error);
  RETURN_IF_ERROR(MakeDirs(dir, 0700));
  RETURN_IF_ERROR(MakeDisks(spec, dir));
  if (spec.firmware == "uefi") {
    ASSIGN_OR_RETURN(const std::string variables, ReadFile(options_.uefi_variables));
    RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(dir, "/", kVariableStore), variables));
  }
  RETURN_IF_ERROR(Save({.spec = spec}));
  return SyncDir(options_.machines_dir);
}

absl::StatusOr<MachineStatus> QemuTarget::Start(const std::string& machine_id, std::int64_t epoch) {
  ASSIGN_OR_RETURN(const Fd lock, Lock(machine_id));
  ASSIGN_OR_RETURN(MachineState state, Load(machine_id));
  if (epoch < state.spec.epoch) return LostLease();
  state.spec.epoch = epoch;
  RETURN_IF_ERROR(Adopt(&state));
  if (state.pid == 0) {
    state.accelerator = Accelerator();
    absl::Status launched = Launch(&state);
    if (!launched.ok() && !state.endpoints.empty()) {
      // A port chosen at an earlier start may be taken by now: choose anew.
      state.endpoints.clear();
      launched = Launch(&state);
    }
    RETURN_IF_ERROR(launched);
  } else {
    RETURN_IF_ERROR(AwaitMonitor(&state));
  }
  RETURN_IF_ERROR(Save(state));
  return Status(state);
}

absl::Status QemuTarget::Stop(const std::string& machine_id, absl::Duration grace) {
  ASSIGN_OR_RETURN(const Fd lock, Lock(machine_id));
  auto state = Load(machine_id);
  if (absl::IsNotFound(state.status())) return absl::OkStatus();
  RETURN_IF_ERROR(state.status());
  RETURN_IF_ERROR(Adopt(&*state));
  RETURN_IF_ERROR(EndProcess(&*state, grace));
  return Save(*state);
}

absl::StatusOr<MachineStatus> QemuTarget::Describe(const std::string& machine_id) {
  auto state = Load(machine_id);
  if (absl::IsNotFound(state.status())) return MachineStatus{};
  RETURN_IF_ERROR(state.status());
  return Status(*state);
}

MachineStatus QemuTarget::Status(const MachineState& state) const {
  MachineStatus status;
  const bool alive = state.pid != 0 && ProcessAlive(state.pid, state.start_time);
  status.power = alive ? Power::kRunning : Power::kStopped;
  status.pid = alive ? state.pid : 0;
  status.accelerator = state.accelerator;
  status.endpoints = state.endpoints;
  status.console_log = absl::StrCat(Dir(state.spec.machine_id), "/", kConsoleLog);
  return status;
}

absl::StatusOr<ConsoleChunk> QemuTarget::ReadConsole(const std::string& machine_id,
                                                     std::int64_t offset) {
  RETURN_IF_ERROR(Load(machine_id).status());
  return ReadLog(absl::StrCat(Dir(machine_id), "/", kConsoleLog), offset, kMostChunk);
}

std::string QemuTarget::ReadFirmwareLog(const std::string& machine_id) {
  if (!CheckId("machine_id", "i-", machine_id).ok()) return "";
  const auto chunk =
      ReadLog(absl::StrCat(Dir(machine_id), "/", kFirmwareLog), -(64 << 10), 64 << 10);
  return chunk.ok() ? chunk->content : "";
}

absl::Status QemuTarget::Destroy(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  ASSIGN_OR_RETURN(const Fd lock, Lock(machine_id));
  auto state = Load(machine_id);
  if (state.ok()) {
    RETURN_IF_ERROR(Adopt(&*state));
    RETURN_IF_ERROR(EndProcess(&*state, absl::ZeroDuration()));
  } else if (!absl::IsNotFound(state.status())) {
    // The state cannot be read: a process may only be recognised by what it wrote itself.
    MachineState unknown{.spec = {.machine_id = machine_id}};
    RETURN_IF_ERROR(Adopt(&unknown));
    RETURN_IF_ERROR(EndProcess(&unknown, absl::ZeroDuration()));
  }
  std::error_code error;
  fs::remove_all(Dir(machine_id), error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("removing machine ", machine_id, ": ", error.message()));
  }
  return SyncDir(options_.machines_dir);
}

absl::StatusOr<std::vector<std::string>> QemuTarget::List() {
  return MachineFolders(options_.machines_dir);
}

void QemuTarget::LookAfter() {
  const auto machines = List();
  if (!machines.ok()) return;
  for (const std::string& machine : *machines) {
    if (const auto state = Load(machine); state.ok()) ProcessAlive(state->pid, state->start_time);
    TrimCapture(machine);
    for (const char* file : {kConsoleLog, kFirmwareLog, kQemuLog}) {
      const std::string path = absl::StrCat(Dir(machine), "/", file);
      struct stat info {};
      if (stat(path.c_str(), &info) == 0 && info.st_size > kMostConsoleBytes &&
          truncate(path.c_str(), 0) == 0) {
        Log(Severity::kWarning, "log above 64 MiB starts anew",
            {{"machine", machine}, {"file", file}});
      }
    }
  }
}

std::string QemuTarget::Accelerator() {
  const absl::MutexLock guard(&accelerator_mutex_);
  if (accelerator_.empty()) accelerator_ = ProbeAccelerator(options_.accelerator);
  return accelerator_;
}

}  // namespace godwit::jobs
