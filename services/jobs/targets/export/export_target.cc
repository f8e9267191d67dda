#include "services/jobs/targets/export/export_target.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/targets/export/export_work.h"
#include "services/jobs/targets/machine_files.h"
#include "services/jobs/targets/qemu/command.h"

namespace godwit::jobs {
namespace {

namespace fs = std::filesystem;

absl::Status StartsNothing() {
  return absl::FailedPreconditionError("target export makes files; it starts no machine");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExportTarget>> ExportTarget::Open(ExportOptions options) {
  RETURN_IF_ERROR(Annotate(MakeDirs(options.export_dir, 0700), "--export-dir"));
  std::error_code error;
  options.export_dir = fs::canonical(options.export_dir, error).string();
  if (error) return absl::InternalError(absl::StrCat("--export-dir: ", error.message()));
  return std::unique_ptr<ExportTarget>(new ExportTarget(std::move(options)));
}

std::string ExportTarget::Dir(const std::string& machine_id) const {
  return absl::StrCat(options_.export_dir, "/", machine_id);
}

absl::StatusOr<ExportState> ExportTarget::Load(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  const auto text = ReadFile(absl::StrCat(Dir(machine_id), "/", kExportState), 1 << 20);
  if (absl::IsNotFound(text.status()))
    return absl::NotFoundError(absl::StrCat("no machine ", machine_id));
  RETURN_IF_ERROR(text.status());
  return ExportStateFromJson(*text);
}

absl::StatusOr<ExportState> ExportTarget::LoadComplete(const std::string& machine_id) {
  ASSIGN_OR_RETURN(ExportState state, Load(machine_id));
  if (!state.complete)
    return absl::NotFoundError(absl::StrCat("machine ", machine_id, " is not complete yet"));
  return state;
}

absl::Status ExportTarget::Save(const std::string& machine_id, const ExportState& state) {
  return WriteFileAtomically(absl::StrCat(Dir(machine_id), "/", kExportState), ToJson(state));
}

absl::Status ExportTarget::Validate(const MachineSpec& spec) {
  // How a network is made is not this target's affair.
  MachineSpec machine = spec;
  machine.network = Network::kUser;
  machine.port_forwards.clear();
  RETURN_IF_ERROR(CheckSpec(machine));
  if (!spec.export_format.empty() && image::FindImageFormat(spec.export_format) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("export_format: must be one of ", image::ImageFormatNames()));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExportState> ExportTarget::Claim(const MachineSpec& spec, const CreateWatch& watch) {
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.export_dir, spec.machine_id));
  auto state = Load(spec.machine_id);
  if (absl::IsNotFound(state.status())) {
    if (watch.check != nullptr) RETURN_IF_ERROR(watch.check());
    // The state is written first of all: what there is without one is none of ours.
    std::error_code error;
    fs::remove_all(Dir(spec.machine_id), error);
    RETURN_IF_ERROR(MakeDirs(Dir(spec.machine_id), 0700));
    state = ExportState{};
  }
  RETURN_IF_ERROR(state.status());
  if (spec.epoch < state->epoch) return LostLease();
  state->epoch = spec.epoch;
  RETURN_IF_ERROR(Save(spec.machine_id, *state));
  RETURN_IF_ERROR(SyncDir(options_.export_dir));
  RemoveHalfDone(Dir(spec.machine_id), spec.epoch);
  return state;
}

absl::StatusOr<ExportState> ExportTarget::Commit(
    const MachineSpec& spec, const std::function<absl::Status(ExportState&)>& change) {
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.export_dir, spec.machine_id));
  auto state = Load(spec.machine_id);
  // Whoever removed it meanwhile has a newer lease.
  if (absl::IsNotFound(state.status())) return LostLease();
  RETURN_IF_ERROR(state.status());
  if (state->epoch != spec.epoch) return LostLease();
  RETURN_IF_ERROR(change(*state));
  RETURN_IF_ERROR(Save(spec.machine_id, *state));
  return state;
}

absl::Status ExportTarget::CreateWatched(const MachineSpec& given, const CreateWatch& watch) {
  RETURN_IF_ERROR(Validate(given));
  MachineSpec spec = given;
  if (spec.export_format.empty()) spec.export_format = "qcow2";
  ASSIGN_OR_RETURN(const ExportState state, Claim(spec, watch));
  if (state.complete) return absl::OkStatus();
  const std::string dir = Dir(spec.machine_id);
  ASSIGN_OR_RETURN(const Fd at_work, TryWorkLock(dir, spec.epoch));
  return WriteExport({.spec = spec,
                      .dir = dir,
                      .image = {.master_key_file = options_.master_key_file,
                                .timeout = options_.timeout,
                                .check = watch.check},
                      .progress = watch.progress,
                      .commit = [&](const auto& change) { return Commit(spec, change); }},
                     state);
}

absl::StatusOr<MachineStatus> ExportTarget::Start(const std::string& machine_id,
                                                  std::int64_t epoch) {
  ASSIGN_OR_RETURN(const ExportState state, LoadComplete(machine_id));
  if (epoch < state.epoch) return LostLease();
  return StartsNothing();
}

absl::Status ExportTarget::Stop(const std::string& machine_id, absl::Duration) {
  return CheckId("machine_id", "i-", machine_id);
}

absl::StatusOr<MachineStatus> ExportTarget::Describe(const std::string& machine_id) {
  const auto state = LoadComplete(machine_id);
  if (absl::IsNotFound(state.status())) return MachineStatus{};
  RETURN_IF_ERROR(state.status());
  return MachineStatus{.power = Power::kStopped, .folder = Dir(machine_id)};
}

absl::StatusOr<ConsoleChunk> ExportTarget::ReadConsole(const std::string& machine_id,
                                                       std::int64_t) {
  RETURN_IF_ERROR(LoadComplete(machine_id).status());
  return StartsNothing();
}

absl::StatusOr<std::string> ExportTarget::Screenshot(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  return StartsNothing();
}

absl::StatusOr<std::string> ExportTarget::AskAgent(const std::string& machine_id,
                                                   const std::string&, absl::Duration) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  return StartsNothing();
}

absl::Status ExportTarget::Detach(const std::string& machine_id, absl::Duration,
                                  const std::function<absl::Status()>&) {
  return LoadComplete(machine_id).status();  // its files never hung on the clone
}

absl::Status ExportTarget::Destroy(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.export_dir, machine_id));
  std::error_code error;
  fs::remove_all(Dir(machine_id), error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("removing machine ", machine_id, ": ", error.message()));
  }
  return SyncDir(options_.export_dir);
}

absl::StatusOr<std::vector<std::string>> ExportTarget::List() {
  return MachineFolders(options_.export_dir);
}

}  // namespace godwit::jobs
