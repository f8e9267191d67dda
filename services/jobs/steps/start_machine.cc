#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr int kFirstBootStopped = 4;  // LaunchedMachine.FirstBoot.STOPPED

class StartMachine final : public Step {
 public:
  explicit StartMachine(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "start_machine"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 4}, .timeout = absl::Minutes(5)};
  }
  std::vector<LogLine> OnBegin(const Run& run) const override {
    if (!environment_.Starts(run.input.settings)) return {};
    return {{.event = Event::kLaunchStart,
             .message = "starting the machine",
             .data = {{"machine", run.machine_id}}}};
  }
  std::vector<LogLine> OnFailure(const Run&, const absl::Status& error) const override {
    return {{.event = Event::kLaunchFailed, .message = std::string(error.message())}};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    PutLaunchTime(context);
    if (!environment_.Starts(run.input.settings)) {
      context.result.log = environment_.SkippedByTarget(run.input.settings, "start");
      context.Set(kFactFirstBoot, absl::StrCat(kFirstBootStopped));
      context.result.state = StepState::kSkipped;
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    RETURN_IF_ERROR(context.Check());
    ASSIGN_OR_RETURN(const MachineStatus status,
                     target->Start(MachineId(run.job_id, run.input.server), run.epoch));
    Outputs facts = run.outputs;
    PutEndpoints(facts, status.endpoints);
    for (auto& [key, value] : facts) context.Set(key, value);
    context.Set(kFactAccelerator, status.accelerator);
    context.Set(kFactConsoleLog, status.console_log);
    context.result.message = absl::StrCat("running, ", status.accelerator);
    return absl::OkStatus();
  }

  absl::Status Undo(StepContext& context) override {
    const Run& run = context.run();
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    return target->Stop(MachineId(run.job_id, run.input.server), absl::ZeroDuration());
  }

 private:
  static void PutLaunchTime(StepContext& context) {
    if (!context.Get(kFactLaunchTime).empty()) return;
    Outputs time;
    PutTime(time, kFactLaunchTime, context.clock().Now());
    context.Set(kFactLaunchTime, time[kFactLaunchTime]);
  }

  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeStartMachine(const Environment& environment) {
  return std::make_unique<StartMachine>(environment);
}

}  // namespace godwit::jobs
