#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kCopyTimeout = absl::Hours(6);

class DetachDisks final : public Step {
 public:
  explicit DetachDisks(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "detach_disks"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 20, .base = absl::Seconds(2), .cap = absl::Minutes(5)},
            .timeout = kCopyTimeout + absl::Minutes(1)};
  }

  absl::Status Do(StepContext& context) override {
    const Run& run = context.run();
    ASSIGN_OR_RETURN(Target* const target, environment_.FindTarget(run.input.settings.target));
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(target->Detach(run.machine_id, kCopyTimeout, [&] { return context.Check(); }));
    const std::string clone = context.Get(kFactClone);
    if (!clone.empty()) {
      RETURN_IF_ERROR(context.Check());
      const absl::Status deleted = environment_.replication.DeleteClone(clone);
      if (!absl::IsNotFound(deleted)) RETURN_IF_ERROR(deleted);
      context.Set(kFactClone, "");
    }
    context.result.message = "the machine's disks no longer need the staging area";
    return absl::OkStatus();
  }

 private:
  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeDetachDisks(const Environment& environment) {
  return std::make_unique<DetachDisks>(environment);
}

}  // namespace godwit::jobs
