#include "agent/commands/source_disks.h"

#include "agent/tracker/pins.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {

namespace {

absl::StatusOr<std::vector<std::string>> NamedIn(const Places& places) {
  ASSIGN_OR_RETURN(const Installation installation, LoadInstallation(places.state_folder));
  return NamedDevices(installation);
}

absl::StatusOr<std::vector<FoundDisk>> FindIn(const Places& places) {
  ASSIGN_OR_RETURN(const std::vector<std::string> named, NamedIn(places));
  ASSIGN_OR_RETURN(const std::string mountinfo, ReadFile("/proc/self/mountinfo"));
  return FindDisks(places.sys, mountinfo, places.dev, named);
}

}  // namespace

absl::StatusOr<std::vector<FoundDisk>> SourceDisks::Discover() {
  ASSIGN_OR_RETURN(const std::vector<std::string> named, NamedIn(places_));
  all_kinds_ = !named.empty();
  // Before: what changes meanwhile is seen by the next look.
  seen_ = DiskFingerprints(places_.sys, all_kinds_);
  return FindIn(places_);
}

absl::StatusOr<DiskPlan> SourceDisks::Find() {
  ASSIGN_OR_RETURN(const std::vector<FoundDisk> found, Discover());
  ASSIGN_OR_RETURN(const Installation installation, LoadInstallation(places_.state_folder));
  DiskPlan plan = PlanDisks(installation, found);
  if (plan.known == installation.disks) return plan;
  const auto change = [&](Installation& present) -> absl::Status {
    plan = PlanDisks(present, found);
    // Before the note that they are stale is gone.
    for (const std::string& id : plan.stale_marks) RETURN_IF_ERROR(RemovePins(id));
    present.disks = plan.known;
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(UpdateInstallation(change, places_.state_folder).status());
  return plan;
}

absl::StatusOr<DiskPlan> SourceDisks::Look(bool* same) {
  ASSIGN_OR_RETURN(const std::vector<FoundDisk> found, Discover());
  ASSIGN_OR_RETURN(const Installation installation, LoadInstallation(places_.state_folder));
  DiskPlan plan = PlanDisks(installation, found);
  *same = plan.known == installation.disks && plan.problem.empty();
  return plan;
}

bool SourceDisks::Changed() {
  std::map<std::string, std::string> now = DiskFingerprints(places_.sys, all_kinds_);
  const bool settled = now == last_look_;
  last_look_ = std::move(now);
  return settled && last_look_ != seen_;
}

absl::StatusOr<std::string> ForgetGoneDisk(const Places& places, const std::string& disk) {
  ASSIGN_OR_RETURN(const std::vector<FoundDisk> found, FindIn(places));
  std::string id;
  const auto change = [&](Installation& installation) -> absl::Status {
    ASSIGN_OR_RETURN(id, ForgetDisk(disk, found, &installation));
    return RemovePins(id);
  };
  RETURN_IF_ERROR(UpdateInstallation(change, places.state_folder).status());
  return id;
}

}  // namespace godwit::agent
