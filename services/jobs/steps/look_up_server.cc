#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

class LookUpServer final : public Step {
 public:
  explicit LookUpServer(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "look_up_server"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 10}, .timeout = absl::Minutes(2)};
  }

  std::vector<LogLine> OnFailure(const Run&, const absl::Status& error) const override {
    if (!absl::IsNotFound(error)) return {};
    return {{.event = Event::kServerSkipped, .message = std::string(error.message())}};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    RETURN_IF_ERROR(environment_.FindTarget(run.input.settings.target).status());
    ASSIGN_OR_RETURN(const ServerInfo server, environment_.registry.GetServer(run.input.server));
    Outputs facts = run.outputs;
    PutServer(facts, server);
    for (auto& [key, value] : facts) context.Set(key, value);
    RETURN_IF_ERROR(environment_.registry.ReportLaunch(
        {.server = run.input.server,
         .job_id = run.job_id,
         .request_id = DerivedUuid(absl::StrCat("in-progress/", run.job_id, "/", run.input.server)),
         .type = run.type,
         .status = LaunchStatus::kInProgress,
         .machine = std::nullopt}));
    context.result.launch_status = LaunchStatus::kInProgress;
    return absl::OkStatus();
  }

 private:
  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeLookUpServer(const Environment& environment) {
  return std::make_unique<LookUpServer>(environment);
}

}  // namespace godwit::jobs
