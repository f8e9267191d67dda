// Starting, finding again and ending the process of a machine.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/machine_disks.h"
#include "services/jobs/targets/qemu/process.h"
#include "services/jobs/targets/qemu/qemu_target.h"
#include "services/jobs/targets/qemu/qmp.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kAdoptTimeout = absl::Seconds(15);
constexpr absl::Duration kQuitTimeout = absl::Seconds(10);
constexpr absl::Duration kKillTimeout = absl::Seconds(10);
constexpr absl::Duration kCommandTimeout = absl::Seconds(10);

// The last 2 KiB of a small log.
std::string Tail(const std::string& path) {
  const auto text = ReadFile(path, 1 << 20);
  if (!text.ok()) return "";
  return text->size() > 2048 ? text->substr(text->size() - 2048) : *text;
}

}  // namespace

absl::StatusOr<Fd> QemuTarget::TryRunLock(const std::string& machine_id) {
  const std::string path = absl::StrCat(Dir(machine_id), "/", kRunLock);
  Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return errno == ENOENT ? absl::StatusOr<Fd>(Fd()) : ErrnoStatus(path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return Fd();
  return ErrnoStatus(path);
}

absl::Status QemuTarget::Adopt(MachineState* state) {
  if (state->pid != 0 && ProcessAlive(state->pid, state->start_time)) return absl::OkStatus();
  state->pid = 0;
  const std::string dir = Dir(state->spec.machine_id);
  if (access(dir.c_str(), F_OK) != 0) return absl::OkStatus();
  const absl::Time deadline = SteadyNow() + kAdoptTimeout;
  while (true) {
    ASSIGN_OR_RETURN(const Fd lock, TryRunLock(state->spec.machine_id));
    if (lock.valid()) return absl::OkStatus();  // nothing runs
    const auto text = ReadFile(absl::StrCat(dir, "/", kPidFile), 64);
    int pid = 0;
    if (text.ok() && absl::SimpleAtoi(*text, &pid) &&
        ProcessHasArgument(pid, GuestArgument(state->spec.machine_id))) {
      if (const auto started = ProcessStartTime(pid); started.ok()) {
        state->pid = pid;
        state->start_time = *started;
        return absl::OkStatus();
      }
    }
    if (SteadyNow() > deadline) {
      return absl::UnavailableError(absl::StrCat(
          "machine ", state->spec.machine_id, ": something holds its lock but is no QEMU of it"));
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
}

absl::Status QemuTarget::Launch(MachineState* state) {
  const std::string dir = Dir(state->spec.machine_id);
  unlink(absl::StrCat(dir, "/", kQmpSocket).c_str());
  unlink(absl::StrCat(dir, "/", kQemuLog).c_str());
  ASSIGN_OR_RETURN(const Fd lock, TryRunLock(state->spec.machine_id));
  if (!lock.valid()) return absl::UnavailableError("the machine's lock is held");
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < state->spec.disks.size(); ++i)
    paths.push_back(absl::StrCat(dir, "/", DiskFile(i)));
  ASSIGN_OR_RETURN(OpenDisks disks, OpenDiskFiles(paths, options_.master_key_file));
  std::vector<std::string> command = QemuCommand(*state, options_.uefi_code, disks.blockdevs);
  command.insert(command.end(), disks.arguments.begin(), disks.arguments.end());
  disks.fds.push_back(lock.get());
  ASSIGN_OR_RETURN(const Spawned spawned,
                   SpawnDetached({.argv = command,
                                  .work_dir = dir,
                                  .log_path = absl::StrCat(dir, "/", kQemuLog),
                                  .pid_path = absl::StrCat(dir, "/", kPidFile),
                                  .inherited_fds = disks.fds}));
  GODWIT_FAILPOINT("jobs.qemu.spawned");
  state->pid = spawned.pid;
  state->start_time = spawned.start_time;
  state->started = true;
  RETURN_IF_ERROR(Save(*state));
  const absl::Status ready = AwaitMonitor(state);
  if (!ready.ok()) {
    KillProcess(state->pid, state->start_time, kKillTimeout).IgnoreError();
    state->pid = 0;
    RETURN_IF_ERROR(Save(*state));
  }
  return ready;
}

absl::Status QemuTarget::AwaitMonitor(MachineState* state) {
  const std::string dir = Dir(state->spec.machine_id);
  const absl::Time deadline = SteadyNow() + options_.start_timeout;
  while (true) {
    auto qmp = Qmp::Connect(dir, kQmpSocket, kCommandTimeout);
    if (qmp.ok()) {
      if (!state->spec.port_forwards.empty()) {
        ASSIGN_OR_RETURN(const std::string text, qmp->Monitor("info usernet", kCommandTimeout));
        state->endpoints = ParseForwards(text);
      }
      return absl::OkStatus();
    }
    if (!ProcessAlive(state->pid, state->start_time)) {
      return absl::InternalError(
          absl::StrCat("QEMU ended at once: ", Tail(absl::StrCat(dir, "/", kQemuLog))));
    }
    if (SteadyNow() > deadline) return Annotate(qmp.status(), "QEMU does not answer");
    absl::SleepFor(absl::Milliseconds(50));
  }
}

absl::Status QemuTarget::EndProcess(MachineState* state, absl::Duration grace) {
  if (state->pid == 0) return absl::OkStatus();
  const std::string dir = Dir(state->spec.machine_id);
  const auto wait_end = [&](absl::Duration most) {
    const absl::Time deadline = SteadyNow() + most;
    while (ProcessAlive(state->pid, state->start_time)) {
      if (SteadyNow() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return true;
  };
  bool ended = false;
  if (grace > absl::ZeroDuration()) {
    if (auto qmp = Qmp::Connect(dir, kQmpSocket, kCommandTimeout); qmp.ok()) {
      qmp->Execute("system_powerdown", "", kCommandTimeout).IgnoreError();
    }
    ended = wait_end(grace);
  }
  if (!ended) {
    // The answer to "quit" may be lost with the connection: the process' end is what counts.
    if (auto qmp = Qmp::Connect(dir, kQmpSocket, kCommandTimeout); qmp.ok()) {
      qmp->Execute("quit", "", kCommandTimeout).status().IgnoreError();
      ended = wait_end(kQuitTimeout);
    }
  }
  if (!ended) RETURN_IF_ERROR(KillProcess(state->pid, state->start_time, kKillTimeout));
  state->pid = 0;
  state->start_time = 0;
  return absl::OkStatus();
}

}  // namespace godwit::jobs
