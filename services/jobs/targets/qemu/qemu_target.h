// Machines as QEMU processes on this host. Each has a folder <machines-dir>/<machine id>/ with its
// state, disks (qcow2 overlays on the clones) and logs. QEMU runs in a session of its own and
// outlives this service; a restarted service finds it again by the state file (process id and start
// time) and, when a crash came before that was written, by the process id file and QEMU's own
// arguments. A lock that QEMU inherits makes a second process for one machine impossible.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/common/base/file.h"
#include "services/jobs/targets/qemu/accelerator.h"
#include "services/jobs/targets/qemu/machine_state.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct QemuOptions {
  std::string machines_dir;
  AcceleratorOptions accelerator;
  std::string uefi_code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
  std::string uefi_variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
  absl::Duration start_timeout = absl::Seconds(60);
  std::string master_key_file;  // for encrypted clones; may be empty
};

class QemuTarget final : public Target {
 public:
  // Makes the folder. Machines that run there are adopted when they are first asked for.
  static absl::StatusOr<std::unique_ptr<QemuTarget>> Open(QemuOptions options);

  const std::string& name() const override { return name_; }
  absl::Status Validate(const MachineSpec& spec) override;
  absl::Status CreateWatched(const MachineSpec& spec, const CreateWatch& watch) override;
  absl::StatusOr<MachineStatus> Start(const std::string& machine_id, std::int64_t epoch) override;
  absl::Status Stop(const std::string& machine_id, absl::Duration grace) override;
  absl::StatusOr<MachineStatus> Describe(const std::string& machine_id) override;
  absl::StatusOr<ConsoleChunk> ReadConsole(const std::string& machine_id,
                                           std::int64_t offset) override;
  std::string ReadFirmwareLog(const std::string& machine_id) override;
  absl::StatusOr<std::string> Screenshot(const std::string& machine_id) override;
  std::string ReadScreenText(const std::string& machine_id) override;
  absl::StatusOr<std::string> AskAgent(const std::string& machine_id, const std::string& command,
                                       absl::Duration timeout) override;
  absl::StatusOr<bool> TookConnection(const std::string& machine_id, int guest_port) override;
  std::vector<std::string> NetworkAttempts(const std::string& machine_id) override;
  absl::Status Detach(const std::string& machine_id, absl::Duration timeout,
                      const std::function<absl::Status()>& check) override;
  absl::Status Destroy(const std::string& machine_id) override;
  absl::StatusOr<std::vector<std::string>> List() override;

  // Reaps processes of machines that ended by themselves, and keeps logs bounded: one above 64 MiB
  // starts anew. Call now and then.
  void LookAfter();

 private:
  explicit QemuTarget(QemuOptions options);
  // Ends the recording of a machine's network when it has become big.
  void TrimCapture(const std::string& machine_id);
  std::string Dir(const std::string& machine_id) const;
  // Serialises what changes a machine, over threads and processes.
  absl::StatusOr<Fd> Lock(const std::string& machine_id);
  // The lock that a machine's process holds for life; invalid when somebody holds it.
  absl::StatusOr<Fd> TryRunLock(const std::string& machine_id);
  absl::StatusOr<MachineState> Load(const std::string& machine_id);
  absl::Status Save(const MachineState& state);
  absl::Status MakeDisks(const MachineSpec& spec, const std::string& dir);
  // Has QEMU write one small file into the machine's folder, and reads it. FAILED_PRECONDITION: the
  // machine does not run.
  absl::StatusOr<std::string> ReadDump(const std::string& machine_id, const std::string& command,
                                       const std::string& arguments, std::size_t most_bytes);
  // Fills in the process of a machine whose start was cut off before it was recorded.
  absl::Status Adopt(MachineState* state);
  absl::Status Launch(MachineState* state);
  absl::Status AwaitMonitor(MachineState* state);
  absl::Status EndProcess(MachineState* state, absl::Duration grace);
  absl::Status DetachRunning(const MachineState& state, absl::Time deadline,
                             const std::function<absl::Status()>& check);
  absl::Status DetachStopped(const MachineState& state, absl::Time deadline,
                             const std::function<absl::Status()>& check);
  MachineStatus Status(const MachineState& state) const;
  std::string Accelerator();

  const std::string name_ = "qemu";
  const QemuOptions options_;
  absl::Mutex accelerator_mutex_;
  std::string accelerator_ ABSL_GUARDED_BY(accelerator_mutex_);
};

}  // namespace godwit::jobs
