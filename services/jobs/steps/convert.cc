#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/steps/machine_nics.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kTaskTimeout = absl::Minutes(30);
constexpr absl::Duration kPoll = absl::Milliseconds(500);

bool Going(const ConversionProgress& progress) {
  return progress.state == ConversionProgress::State::kPending ||
         progress.state == ConversionProgress::State::kRunning;
}

class Convert final : public Step {
 public:
  Convert(const Environment& environment, bool preflight)
      : environment_(environment), preflight_(preflight) {}
  absl::string_view name() const override { return preflight_ ? "inspect" : "convert"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 8}, .timeout = absl::Hours(1)};
  }
  std::vector<LogLine> OnBegin(const Run&) const override {
    return {{.event = Event::kConversionStart,
             .message = preflight_ ? "looking at the disks" : "making the clone bootable"}};
  }
  std::vector<LogLine> OnFailure(const Run& run, const absl::Status& error) const override {
    return {{.event = Event::kConversionFail,
             .message = std::string(error.message()),
             .data = {{"task", GetFact(run.outputs, kFactTask)}}}};
  }

  absl::Status Do(StepContext& context) override {
    ASSIGN_OR_RETURN(ConversionProgress progress, Create(context));
    if (context.Get(kFactTask) != progress.name) {
      context.Set(kFactTask, progress.name);
      RETURN_IF_ERROR(context.Save(progress.name));
    }
    while (Going(progress)) {
      RETURN_IF_ERROR(context.Sleep(kPoll));
      ASSIGN_OR_RETURN(progress, environment_.conversion.GetTask(progress.name));
    }
    if (progress.state != ConversionProgress::State::kSucceeded) {
      // The service has tried as often as it makes sense: the same image gives the same answer.
      const std::string why = progress.error.ok() ? "the conversion task was cancelled"
                                                  : std::string(progress.error.message());
      return absl::FailedPreconditionError(absl::StrCat("CONVERSION_FAILED: ", why));
    }
    context.Set(kFactFirmware, progress.firmware);
    context.Set(kFactDiskBus, progress.disk_bus);
    context.Set(kFactNicModel, progress.nic_model);
    context.result.message = absl::StrCat(progress.change_count, " changes");
    context.result.log.push_back(
        {.event = Event::kConversionEnd,
         .message = absl::StrCat(progress.change_count, " changes"),
         .data = {{"task", progress.name}, {"warnings", absl::StrJoin(progress.warnings, "; ")}}});
    return absl::OkStatus();
  }

  // The worker must be off the clone before that is deleted.
  absl::Status Undo(StepContext& context) override {
    std::string task = context.Get(kFactTask);
    if (task.empty()) {
      const auto created = Create(context);
      if (!created.ok() && Classify(created.status()) == ErrorClass::kPermanent) {
        return absl::OkStatus();  // it was never accepted
      }
      RETURN_IF_ERROR(created.status());
      task = created->name;
      context.Set(kFactTask, task);
      RETURN_IF_ERROR(context.Save("cancelling the conversion"));
    }
    auto progress = environment_.conversion.CancelTask(task);
    while (progress.ok() && Going(*progress)) {
      RETURN_IF_ERROR(context.Sleep(kPoll));
      progress = environment_.conversion.GetTask(task);
    }
    return absl::IsNotFound(progress.status()) ? absl::OkStatus() : progress.status();
  }

 private:
  absl::StatusOr<ConversionProgress> Create(StepContext& context) {
    const Run& run = context.run();
    ConversionOrder order{
        .request_id = DerivedUuid(absl::StrCat("convert/", run.job_id, "/", run.input.server)),
        .disks = GetDisks(run.outputs),
        .profile = run.input.settings.profile,
        .boot_mode = run.input.settings.boot_mode,
        .timeout = kTaskTimeout,
        .preflight = preflight_,
        .unfinished = preflight_ && context.Get(kFactPoint).empty(),
        .windows_allow_unclean = run.input.settings.windows_allow_unclean};
    const std::vector<SourceNic> sources = GetServer(run.outputs).nics;
    const std::vector<std::string> addresses =
        preflight_ ? std::vector<std::string>() : MachineMacs(run);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      ConversionNic nic{.mac_address = addresses[i]};
      if (i < sources.size()) {
        nic.source_mac_address = sources[i].mac_address;
        nic.source_name = sources[i].name;
      }
      if (i < run.input.settings.nics.size()) {
        nic.static_address = run.input.settings.nics[i].static_address;
        nic.gateway = run.input.settings.nics[i].gateway;
      }
      if (run.input.settings.copy_private_ip && nic.static_address.empty() && i < sources.size())
        nic.static_address = sources[i].address;
      order.nics.push_back(nic);
    }
    RETURN_IF_ERROR(context.Check());
    return environment_.conversion.CreateTask(order);
  }

  const Environment& environment_;
  const bool preflight_;
};

}  // namespace

std::unique_ptr<Step> MakeConvert(const Environment& environment) {
  return std::make_unique<Convert>(environment, /*preflight=*/false);
}
std::unique_ptr<Step> MakeInspect(const Environment& environment) {
  return std::make_unique<Convert>(environment, /*preflight=*/true);
}

}  // namespace godwit::jobs
