#include "services/jobs/steps/plans.h"

#include "absl/strings/str_cat.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {

absl::StatusOr<Target*> Environment::FindTarget(const std::string& name) const {
  const auto found = targets.find(name);
  if (found == targets.end()) {
    const char* const option = name == "export"    ? "; start godwit-jobs with --export-dir"
                               : name == "libvirt" ? "; start godwit-jobs with --libvirt-uri"
                                                   : "";
    return absl::FailedPreconditionError(
        absl::StrCat("target ", name, " is not set up here", option));
  }
  return found->second;
}

bool Environment::Starts(const LaunchSettings& settings) const {
  const auto found = targets.find(settings.target);
  return settings.disposition != Disposition::kStopped &&
         (found == targets.end() || found->second->starts_machines());
}

std::vector<LogLine> Environment::SkippedByTarget(const LaunchSettings& settings,
                                                  absl::string_view what) const {
  const auto found = targets.find(settings.target);
  if (found == targets.end() || found->second->starts_machines()) return {};
  return {
      {.event = Event::kStepSkipped,
       .message = absl::StrCat(what, ": skipped, target ", settings.target, " starts no machine"),
       .data = {{"target", settings.target}}}};
}

namespace {

Plan LaunchPlan(JobType type, const Environment& environment) {
  Plan plan{.type = type};
  plan.steps.push_back(MakeLookUpServer(environment));
  plan.steps.push_back(MakeRemoveMachines(environment));
  plan.steps.push_back(MakeTakePoint(environment));
  plan.steps.push_back(MakeCreateClone(environment));
  plan.steps.push_back(MakeConvert(environment));
  plan.steps.push_back(MakeCreateMachine(environment));
  plan.steps.push_back(MakeStartMachine(environment));
  plan.steps.push_back(MakeProveBoot(environment));
  plan.steps.push_back(MakeRunActions(environment));
  plan.steps.push_back(MakeReportLaunched(environment));
  // What takes over must not hang on staging, which goes when the cutover is finalised.
  if (type == JobType::kCutoverLaunch) plan.steps.push_back(MakeDetachDisks(environment));
  plan.on_failure = MakeReportFailed(environment);
  return plan;
}

Plan RemovalPlan(JobType type, const Environment& environment) {
  Plan plan{.type = type};
  plan.steps.push_back(MakeRemoveMachines(environment));
  if (type == JobType::kTerminate) plan.steps.push_back(MakeReportTerminated(environment));
  return plan;
}

Plan PreflightPlan(const Environment& environment) {
  Plan plan{.type = JobType::kPreflight};
  plan.steps.push_back(MakeCreateView(environment));
  plan.steps.push_back(MakeInspect(environment));
  plan.steps.push_back(MakeRemoveView(environment));
  return plan;
}

}  // namespace

Plans MakePlans(const Environment& environment) {
  Plans plans;
  for (const JobType type : {JobType::kTestLaunch, JobType::kCutoverLaunch}) {
    plans.emplace(type, LaunchPlan(type, environment));
  }
  for (const JobType type : {JobType::kTerminate, JobType::kCleanUp}) {
    plans.emplace(type, RemovalPlan(type, environment));
  }
  plans.emplace(JobType::kPreflight, PreflightPlan(environment));
  return plans;
}

}  // namespace godwit::jobs
