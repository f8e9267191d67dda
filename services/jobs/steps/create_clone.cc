#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/steps/steps.h"

namespace godwit::jobs {
namespace {

class CreateClone final : public Step {
 public:
  CreateClone(const Environment& environment, bool view) : environment_(environment), view_(view) {}
  absl::string_view name() const override { return view_ ? "create_view" : "create_clone"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 8}, .timeout = absl::Minutes(5)};
  }

  absl::Status Do(StepContext& context) override {
    ASSIGN_OR_RETURN(const CloneInfo clone, Create(context));
    Outputs facts = context.run().outputs;
    PutDisks(facts, clone.disks);
    for (auto& [key, value] : facts) context.Set(key, value);
    context.Set(kFactClone, clone.name);
    if (view_) context.Set(kFactPoint, clone.point);
    context.result.message = view_ && clone.point.empty()
                                 ? "what has arrived so far; there is no point yet"
                                 : clone.name;
    for (const CloneDisk& disk : clone.disks) {
      if (disk.path.empty()) {
        return absl::UnimplementedError(absl::StrCat(
            "disk ", disk.disk_id, ": the clone is no file on this host, which target qemu needs"));
      }
    }
    return clone.disks.empty() ? absl::FailedPreconditionError("the clone has no disks")
                               : absl::OkStatus();
  }

  absl::Status Undo(StepContext& context) override {
    std::string name = context.Get(kFactClone);
    if (name.empty()) {
      // The call may have been cut off before its answer was kept: the same request id tells.
      const auto clone = Create(context);
      if (absl::IsNotFound(clone.status())) return absl::OkStatus();  // the point is gone
      if (!clone.ok() && Classify(clone.status()) == ErrorClass::kPermanent)
        return absl::OkStatus();
      RETURN_IF_ERROR(clone.status());
      name = clone->name;
      context.Set(kFactClone, name);
      RETURN_IF_ERROR(context.Save("removing the clone"));
    }
    const absl::Status deleted = environment_.replication.DeleteClone(name);
    if (!absl::IsNotFound(deleted)) RETURN_IF_ERROR(deleted);
    context.Set(kFactClone, "");
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<CloneInfo> Create(StepContext& context) {
    const Run& run = context.run();
    RETURN_IF_ERROR(context.Check());
    return environment_.replication.CreateClone(
        view_ ? absl::StrCat("sourceServers/", run.input.server, "/points/-")
              : context.Get(kFactPoint),
        DerivedUuid(absl::StrCat("clone/", run.job_id, "/", run.input.server)));
  }

  const Environment& environment_;
  const bool view_;
};

class RemoveView final : public Step {
 public:
  explicit RemoveView(const Environment& environment) : environment_(environment) {}
  absl::string_view name() const override { return "remove_view"; }
  StepOptions options(const Run&) const override {
    return {.retry = {.most_attempts = 20}, .timeout = absl::Minutes(2)};
  }
  absl::Status Do(StepContext& context) override {
    if (context.Get(kFactClone).empty()) return absl::OkStatus();
    const absl::Status deleted = environment_.replication.DeleteClone(context.Get(kFactClone));
    if (!absl::IsNotFound(deleted)) RETURN_IF_ERROR(deleted);
    context.Set(kFactClone, "");
    return absl::OkStatus();
  }

 private:
  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Step> MakeCreateClone(const Environment& environment) {
  return std::make_unique<CreateClone>(environment, /*view=*/false);
}
std::unique_ptr<Step> MakeCreateView(const Environment& environment) {
  return std::make_unique<CreateClone>(environment, /*view=*/true);
}
std::unique_ptr<Step> MakeRemoveView(const Environment& environment) {
  return std::make_unique<RemoveView>(environment);
}

}  // namespace godwit::jobs
