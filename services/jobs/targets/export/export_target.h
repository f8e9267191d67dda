// Machines as folders of files on this host, for platforms that Godwit does not launch on:
// <export-dir>/<machine id>/ holds the disks in the format asked for (or one OVA), their SHA-256
// sums and a description. Nothing is started, and nothing hangs on the staging area afterwards.
//
// Each image is written under another name, checked, compared with the converted disk and made
// durable; its rename is the commit. Work is done without a lock, because it may take hours: a
// caller with a newer epoch begins its own files at once, and the commit of an older one is
// refused.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "services/common/base/file.h"
#include "services/common/image/export.h"
#include "services/jobs/targets/export/description.h"
#include "services/jobs/targets/export/export_state.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct ExportOptions {
  std::string export_dir;
  std::string master_key_file;               // to read encrypted clones; what is written is plain
  absl::Duration timeout = absl::Hours(24);  // of one machine
};

class ExportTarget final : public Target {
 public:
  // Makes the folder.
  static absl::StatusOr<std::unique_ptr<ExportTarget>> Open(ExportOptions options);

  const std::string& name() const override { return name_; }
  absl::Status Validate(const MachineSpec& spec) override;
  // FAILED_PRECONDITION, NO_SPACE: names how many bytes are needed and how many are free.
  // UNAVAILABLE: another call of the same epoch is at it.
  absl::Status CreateWatched(const MachineSpec& spec, const CreateWatch& watch) override;
  absl::Duration create_timeout() const override { return options_.timeout; }
  bool starts_machines() const override { return false; }
  absl::StatusOr<MachineStatus> Start(const std::string& machine_id, std::int64_t epoch) override;
  absl::Status Stop(const std::string& machine_id, absl::Duration grace) override;
  absl::StatusOr<MachineStatus> Describe(const std::string& machine_id) override;
  absl::StatusOr<ConsoleChunk> ReadConsole(const std::string& machine_id,
                                           std::int64_t offset) override;
  std::string ReadFirmwareLog(const std::string&) override { return ""; }
  absl::StatusOr<std::string> Screenshot(const std::string& machine_id) override;
  absl::StatusOr<std::string> AskAgent(const std::string& machine_id, const std::string& command,
                                       absl::Duration timeout) override;
  absl::Status Detach(const std::string& machine_id, absl::Duration timeout,
                      const std::function<absl::Status()>& check) override;
  absl::Status Destroy(const std::string& machine_id) override;
  absl::StatusOr<std::vector<std::string>> List() override;

 private:
  explicit ExportTarget(ExportOptions options) : options_(std::move(options)) {}
  std::string Dir(const std::string& machine_id) const;
  // NOT_FOUND: there is no folder, or none of ours.
  absl::StatusOr<ExportState> Load(const std::string& machine_id);
  // The same, but NOT_FOUND also for a machine that is not complete.
  absl::StatusOr<ExportState> LoadComplete(const std::string& machine_id);
  absl::Status Save(const std::string& machine_id, const ExportState& state);
  // Makes the folder belong to this epoch and takes away what older ones left half-done. LOST
  // LEASE: it belongs to a newer one.
  absl::StatusOr<ExportState> Claim(const MachineSpec& spec, const CreateWatch& watch);
  // Calls `change` with the state under the machine's lock and keeps it, when the epoch still is
  // the newest.
  absl::StatusOr<ExportState> Commit(const MachineSpec& spec,
                                     const std::function<absl::Status(ExportState&)>& change);

  const std::string name_ = "export";
  const ExportOptions options_;
};

}  // namespace godwit::jobs
