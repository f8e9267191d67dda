// Making a machine's disks independent of the clones they were overlays of.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/copy_job.h"
#include "services/jobs/targets/qemu/image_chain.h"
#include "services/jobs/targets/qemu/machine_disks.h"
#include "services/jobs/targets/qemu/process.h"
#include "services/jobs/targets/qemu/qemu_target.h"
#include "services/jobs/targets/qemu/qmp.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kCommandTimeout = absl::Seconds(30);
constexpr absl::Duration kPoll = absl::Milliseconds(200);

}  // namespace

absl::Status QemuTarget::Detach(const std::string& machine_id, absl::Duration timeout,
                                const std::function<absl::Status()>& check) {
  const absl::Time deadline = SteadyNow() + timeout;
  ASSIGN_OR_RETURN(const MachineState state, Load(machine_id));
  if (state.pid != 0 && ProcessAlive(state.pid, state.start_time)) {
    return DetachRunning(state, deadline, check);
  }
  // At rest the disks are rewritten: nothing may start the machine meanwhile.
  ASSIGN_OR_RETURN(const Fd lock, TryRunLock(machine_id));
  if (!lock.valid()) return absl::UnavailableError("the machine is just being started");
  return DetachStopped(state, deadline, check);
}

absl::Status QemuTarget::DetachRunning(const MachineState& state, absl::Time deadline,
                                       const std::function<absl::Status()>& check) {
  const std::string dir = Dir(state.spec.machine_id);
  for (std::size_t i = 0; i < state.spec.disks.size(); ++i) {
    ASSIGN_OR_RETURN(const bool attached, HasBacking(absl::StrCat(dir, "/", DiskFile(i))));
    if (!attached) continue;
    RETURN_IF_ERROR(check());
    const std::string id = absl::StrCat("detach", i);
    ASSIGN_OR_RETURN(Qmp qmp, Qmp::Connect(dir, kQmpSocket, kCommandTimeout));
    const std::string node = absl::StrCat("disk", i);
    RETURN_IF_ERROR(BeginCopy(qmp, node, id));
    bool ended = false;
    while (!ended) {
      if (SteadyNow() > deadline) {
        return absl::DeadlineExceededError(absl::StrCat("copying disk ", i, " takes too long"));
      }
      // QEMU goes on copying even when this caller has to stop.
      RETURN_IF_ERROR(check());
      absl::SleepFor(kPoll);
      ASSIGN_OR_RETURN(ended, CopyEnded(qmp, node, id));
    }
    ASSIGN_OR_RETURN(const bool still, HasBacking(absl::StrCat(dir, "/", DiskFile(i))));
    if (still) return absl::InternalError(absl::StrCat("copying disk ", i, " failed in QEMU"));
  }
  return absl::OkStatus();
}

absl::Status QemuTarget::DetachStopped(const MachineState& state, absl::Time deadline,
                                       const std::function<absl::Status()>& check) {
  const std::string dir = Dir(state.spec.machine_id);
  for (std::size_t i = 0; i < state.spec.disks.size(); ++i) {
    const std::string path = absl::StrCat(dir, "/", DiskFile(i));
    ASSIGN_OR_RETURN(const bool attached, HasBacking(path));
    if (!attached) continue;
    RETURN_IF_ERROR(CopyChain(path, options_.master_key_file, deadline - SteadyNow(), check));
  }
  return SyncDir(dir);
}

}  // namespace godwit::jobs
