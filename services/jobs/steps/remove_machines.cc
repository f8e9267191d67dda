#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

class RemoveMachines final : public Step {
 public:
  explicit RemoveMachines(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "remove_machines"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 8}, .timeout = absl::Minutes(10)};
  }

  std::vector<LogLine> OnFailure(const Run&, const absl::Status& error) const override {
    return {{.event = Event::kCleanupFail, .message = std::string(error.message())}};
  }

  absl::Status Do(StepContext& context) override {
    ASSIGN_OR_RETURN(const std::set<std::string> machines, Wanted(context.run()));
    if (machines.empty()) {
      context.result.state = StepState::kSkipped;
      return absl::OkStatus();
    }
    if (context.Get("cleanup_started").empty()) {
      context.Set("cleanup_started", "1");
      RETURN_IF_ERROR(context.Log({.event = Event::kCleanupStart, .message = "removing machines"}));
      RETURN_IF_ERROR(context.Save("removing machines"));
    }
    for (const std::string& machine : machines) RETURN_IF_ERROR(Remove(context, machine));
    context.result.log.push_back({.event = Event::kCleanupEnd,
                                  .message = absl::StrCat(machines.size(), " machine(s) removed")});
    return absl::OkStatus();
  }

 private:
  // The named machines; for launches and TERMINATE also what is on record for the server, so that a
  // report that got lost leaks nothing. CLEAN_UP leaves machines in use alone unless named.
  absl::StatusOr<std::set<std::string>> Wanted(const Run& run) const {
    std::set<std::string> machines(run.input.machines.begin(), run.input.machines.end());
    if (run.type == JobType::kCleanUp) return machines;
    ASSIGN_OR_RETURN(const std::vector<Run> recorded,
                     environment_.store.MachinesOf(run.input.server));
    for (const Run& launch : recorded) {
      if (launch.job_id != run.job_id) machines.insert(launch.machine_id);
    }
    return machines;
  }

  absl::Status Remove(StepContext& context, const std::string& machine_id) {
    RETURN_IF_ERROR(context.Check());
    const auto launch = environment_.store.FindMachine(machine_id);
    if (absl::IsNotFound(launch.status())) {
      // Not on record: it was never finished here, or its job was deleted after the machine went.
      for (const auto& [name, target] : environment_.targets) {
        RETURN_IF_ERROR(target->Destroy(machine_id));
      }
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(launch.status());
    if (launch->input.server != context.run().input.server) {
      return absl::InvalidArgumentError(
          absl::StrCat("machines: ", machine_id, " belongs to another server"));
    }
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(launch->input.settings.target));
    RETURN_IF_ERROR(Annotate(target->Destroy(machine_id), machine_id));
    RETURN_IF_ERROR(context.Check());
    if (const std::string clone = GetFact(launch->outputs, kFactClone); !clone.empty()) {
      const absl::Status deleted = environment_.replication.DeleteClone(clone);
      if (!absl::IsNotFound(deleted)) RETURN_IF_ERROR(Annotate(deleted, clone));
    }
    context.result.removed_machines.push_back(machine_id);
    return absl::OkStatus();
  }

  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeRemoveMachines(const Environment& environment) {
  return std::make_unique<RemoveMachines>(environment);
}

}  // namespace godwit::jobs
