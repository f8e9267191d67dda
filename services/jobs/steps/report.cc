// Telling the registry how a launch or a removal ended.
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

// Reports are small and the registry may be away: tried for about a day.
constexpr RetryPolicy kReportRetry{
    .most_attempts = 300, .base = absl::Seconds(1), .cap = absl::Minutes(5)};

class Report final : public Step {
 public:
  Report(const Environment& environment, absl::string_view name, LaunchStatus status)
      : environment_(environment), name_(name), status_(status) {}
  absl::string_view name() const override { return name_; }
  StepOptions options(const Run&) const override {
    return {.retry = kReportRetry,
            .timeout = absl::Minutes(2),
            .commit_point = status_ == LaunchStatus::kLaunched};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    LaunchReport report{
        .server = run.input.server,
        .job_id = run.job_id,
        .request_id = DerivedUuid(absl::StrCat("report/", static_cast<int>(status_), "/",
                                               run.job_id, "/", run.input.server)),
        .type = run.type,
        .status = status_,
        .machine = std::nullopt};
    if (status_ == LaunchStatus::kLaunched) report.machine = GetMachine(run);
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(environment_.registry.ReportLaunch(report));
    context.result.launch_status = status_;
    return absl::OkStatus();
  }

 private:
  const Environment& environment_;
  const std::string name_;
  const LaunchStatus status_;
};

}  // namespace

std::unique_ptr<Step> MakeReportLaunched(const Environment& environment) {
  return std::make_unique<Report>(environment, "report_launched", LaunchStatus::kLaunched);
}
std::unique_ptr<Step> MakeReportFailed(const Environment& environment) {
  return std::make_unique<Report>(environment, "report_failed", LaunchStatus::kFailed);
}
std::unique_ptr<Step> MakeReportTerminated(const Environment& environment) {
  return std::make_unique<Report>(environment, "report_terminated", LaunchStatus::kTerminated);
}

}  // namespace godwit::jobs
