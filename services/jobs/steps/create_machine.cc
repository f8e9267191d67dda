#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/right_sizing.h"
#include "services/jobs/steps/machine_nics.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kShowEvery = absl::Seconds(2);

std::string Firmware(const Run& run, const ServerInfo& server) {
  if (run.input.settings.boot_mode == BootMode::kUefi) return "uefi";
  if (run.input.settings.boot_mode == BootMode::kLegacyBios) return "bios";
  if (const std::string hint = GetFact(run.outputs, kFactFirmware); !hint.empty()) return hint;
  return server.boot_mode == "UEFI" ? "uefi" : "bios";
}

// For whoever finds the machine on its target.
std::string Describe(const Run& run, const ServerInfo& server) {
  const LaunchSettings& settings = run.input.settings;
  return absl::StrCat(
      run.type == JobType::kTestLaunch ? "Test" : "Cutover", " machine of ", server.hostname,
      " (sourceServers/", run.input.server, ", jobs/", run.job_id, "). Licence: ",
      settings.licensing == Licensing::kProvided ? "provided by the target" : "the operator's",
      settings.licensing_note.empty() ? "" : ", ", settings.licensing_note);
}

SourceSize SizeOf(const ServerInfo& server) {
  return {.core_count = server.core_count, .memory_bytes = server.memory_bytes, .use = server.use};
}

MachineSpec MakeSpec(const Run& run) {
  const LaunchSettings& settings = run.input.settings;
  const ServerInfo server = GetServer(run.outputs);
  const MachineSize size = ChooseSize(settings, SizeOf(server));
  const bool test = run.type == JobType::kTestLaunch;
  MachineSpec spec{.machine_id = MachineId(run.job_id, run.input.server),
                   .epoch = run.epoch,
                   .name = settings.machine_name.empty() ? server.hostname : settings.machine_name,
                   .cpu_count = size.cpu_count,
                   .memory_bytes = size.memory_bytes,
                   .firmware = Firmware(run, server),
                   .network = test ? settings.test_network : settings.cutover_network,
                   .port_forwards = settings.port_forwards,
                   .throw_away = test,
                   .export_format = settings.export_format};
  if (const std::string bus = GetFact(run.outputs, kFactDiskBus); !bus.empty()) spec.disk_bus = bus;
  if (!settings.disk_bus.empty()) spec.disk_bus = settings.disk_bus;
  if (settings.copy_tags) spec.tags = server.tags;
  for (const auto& [key, value] : settings.machine_tags) spec.tags[key] = value;
  spec.description = Describe(run, server);
  for (const CloneDisk& disk : GetDisks(run.outputs)) spec.disks.push_back({.path = disk.path});
  const std::string model = GetFact(run.outputs, kFactNicModel);
  const std::vector<std::string> addresses = MachineMacs(run);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    spec.nics.push_back({.mac_address = addresses[i],
                         .model = model.empty() ? "virtio" : model,
                         .bridge = i < settings.nics.size() ? settings.nics[i].bridge : ""});
  }
  return spec;
}

class CreateMachine final : public Step {
 public:
  explicit CreateMachine(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "create_machine"; }
  StepOptions options(const Run& run) const override {
    const auto target = environment_.FindTarget(run.input.settings.target);
    return {.retry = {.most_attempts = 5},
            .timeout = target.ok() ? (*target)->create_timeout() : absl::Minutes(5)};
  }
  std::vector<LogLine> OnFailure(const Run&, const absl::Status& error) const override {
    return {{.event = Event::kLaunchFailed, .message = std::string(error.message())}};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    const MachineSpec spec = MakeSpec(run);
    if (context.Get("sized").empty()) {
      const ServerInfo server = GetServer(run.outputs);
      context.Set("sized", "1");
      RETURN_IF_ERROR(context.Log({.event = Event::kRightSizing,
                                   .message = SizeReason(run.input.settings, SizeOf(server)),
                                   .data = {{"cpus", absl::StrCat(spec.cpu_count)},
                                            {"memory_bytes", absl::StrCat(spec.memory_bytes)}}}));
      RETURN_IF_ERROR(context.Save("sized"));
    }
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(target->CreateWatched(spec, Watch(context)));
    ASSIGN_OR_RETURN(const MachineStatus made, target->Describe(spec.machine_id));
    context.Set(kFactFolder, made.folder);
    context.result.machine_id = spec.machine_id;
    context.result.message =
        absl::StrCat(spec.cpu_count, " CPUs, ", spec.memory_bytes >> 20, " MiB, ", spec.firmware,
                     ", ", spec.disk_bus, made.folder.empty() ? "" : ", in ", made.folder);
    return absl::OkStatus();
  }

  // Shows how far a long creation is, every few seconds.
  static CreateWatch Watch(StepContext& context) {
    auto shown = std::make_shared<std::optional<absl::Duration>>();
    return {
        .check = [&context] { return context.Check(); },
        .progress =
            [&context, shown](const std::string& message, std::int64_t done, std::int64_t total) {
              const absl::Duration now = context.clock().Monotonic();
              if (*shown && now < **shown + kShowEvery) return;
              *shown = now;
              // Lost leases are the check's to find.
              context.Save(message, done, total).IgnoreError();
            }};
  }

  absl::Status Undo(StepContext& context) override {
    const Run& run = context.run();
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    RETURN_IF_ERROR(target->Destroy(MachineId(run.job_id, run.input.server)));
    context.result.machine_id = "";
    return absl::OkStatus();
  }

 private:
  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeCreateMachine(const Environment& environment) {
  return std::make_unique<CreateMachine>(environment);
}

}  // namespace godwit::jobs
