#include "agent/discovery/disk_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"

namespace godwit::agent {
namespace {

// Never the sequence of a device: one that comes back is another one.
constexpr char kAway[] = "away";

template <typename T>
bool Contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// Partition tables and names come and go while the disk stays. A disk with a serial number never
// looks like that.
bool IsWeak(const KnownDisk& disk) {
  return disk.identity.starts_with("gpt-") || disk.identity.starts_with("mbr-") ||
         disk.device_name.ends_with("/" + disk.identity);
}

// Which disk that is there is which known one.
class Matches {
 public:
  Matches(const std::vector<KnownDisk>& known, const std::vector<FoundDisk>& found)
      : found_of_(known.size(), nullptr) {
    const auto match = [&](const auto& same) {
      for (std::size_t i = 0; i < known.size(); ++i) {
        if (found_of_[i] != nullptr || known[i].forgotten) continue;
        for (const FoundDisk& disk : found) {
          if (Contains(found_of_, &disk) || !same(known[i], disk)) continue;
          found_of_[i] = &disk;
          break;
        }
      }
    };
    // Copies of a disk have its identity.
    match([](const KnownDisk& a, const FoundDisk& b) {
      return a.identity == b.identity && a.device_name == b.device_name;
    });
    match([](const KnownDisk& a, const FoundDisk& b) { return a.identity == b.identity; });
    match([](const KnownDisk& a, const FoundDisk& b) {
      return IsWeak(a) && b.weak_identity && a.device_name == b.device_name &&
             a.size_bytes == b.size_bytes;
    });
  }
  const FoundDisk* FoundOf(std::size_t known) const { return found_of_[known]; }
  std::size_t KnownOf(const FoundDisk& disk) const {
    return static_cast<std::size_t>(std::find(found_of_.begin(), found_of_.end(), &disk) -
                                    found_of_.begin());
  }

 private:
  std::vector<const FoundDisk*> found_of_;
};

std::string IdOf(const std::string& base_id, std::int64_t generation) {
  return generation == 1 ? base_id : DerivedId("d-", absl::StrCat(base_id, "/", generation));
}

std::int64_t NextGeneration(const std::vector<KnownDisk>& known, const std::string& base_id) {
  std::int64_t last = 0;
  for (const KnownDisk& disk : known) {
    if (disk.base_id == base_id) last = std::max(last, disk.generation);
  }
  return last + 1;
}

// A known disk that is there: what changed of it.
void Renew(const FoundDisk& disk, KnownDisk* known, DiskPlan* plan) {
  if (known->size_bytes != disk.size_bytes) {
    const std::string old_id = known->disk_id;
    known->generation = NextGeneration(plan->known, known->base_id);
    known->disk_id = IdOf(known->base_id, known->generation);
    plan->resized.push_back({.device_name = disk.device_name,
                             .old_id = old_id,
                             .new_id = known->disk_id,
                             .old_bytes = known->size_bytes,
                             .new_bytes = disk.size_bytes});
    plan->stale_marks.push_back(old_id);
  } else if (!known->sequence.empty() && known->sequence != disk.sequence) {
    plan->stale_marks.push_back(known->disk_id);
  }
  known->identity = disk.identity;
  known->device_name = disk.device_name;
  known->size_bytes = disk.size_bytes;
  known->is_boot_disk = disk.is_boot_disk;
  known->sequence = disk.sequence;
}

// Why a disk that was never replicated is not from now on either; "" when it is.
std::string Refusal(const Installation& installation, const std::string& base_id,
                    const FoundDisk& disk, const DiskPlan& plan, std::size_t replicated) {
  for (const KnownDisk& known : plan.known) {
    if (!known.forgotten && known.identity == disk.identity)
      return absl::StrCat("it has the serial number or partition table of ", known.device_name);
  }
  const bool all = installation.all_disks || installation.disk_ids.empty();
  if (!all && !Contains(installation.disk_ids, base_id)) return "not chosen";
  // One that becomes read-only while it is replicated stays.
  if (disk.read_only) return "read-only";
  if (disk.size_bytes < kLeastDiskBytes) return "smaller than 1 MiB";
  if (replicated >= kMaxDisks) return absl::StrCat("more than ", kMaxDisks, " disks");
  return "";
}

void AddMissing(const Installation& installation, const Matches& matches,
                const std::vector<FoundDisk>& found, DiskPlan* plan) {
  const auto boots = [](const ReportedDisk& each) { return each.disk.is_boot_disk; };
  const bool has_boot_disk = std::any_of(plan->disks.begin(), plan->disks.end(), boots);
  std::string names;
  for (std::size_t i = 0; i < plan->known.size(); ++i) {
    KnownDisk& known = plan->known[i];
    // Those behind the matched ones are new and there.
    if (known.forgotten || i >= installation.disks.size() || matches.FoundOf(i) != nullptr)
      continue;
    known.sequence = kAway;
    ReportedDisk report{.disk_id = known.disk_id, .replicated = true, .missing = true};
    report.disk.device_name = known.device_name;
    report.disk.size_bytes = known.size_bytes;
    report.disk.identity = known.identity;
    report.disk.is_boot_disk = known.is_boot_disk && !has_boot_disk;
    plan->disks.push_back(std::move(report));
    absl::StrAppend(&names, names.empty() ? "" : ", ", known.device_name, " (", known.disk_id, ")");
  }
  // Of an installation that noted no more than ids.
  for (const std::string& id : installation.disk_ids) {
    const auto is = [&](const KnownDisk& known) { return known.base_id == id; };
    const auto there = [&](const FoundDisk& disk) {
      return DiskId(installation.disk_seed, disk) == id;
    };
    if (std::none_of(plan->known.begin(), plan->known.end(), is) &&
        std::none_of(found.begin(), found.end(), there))
      absl::StrAppend(&names, names.empty() ? "" : ", ", id);
  }
  if (!names.empty()) {
    plan->problem = absl::StrCat(
        "disks that are replicated are not there any more: ", names,
        "; attach them again, or say that they are gone: godwit-agent disks forget DISK");
  }
}

}  // namespace

std::vector<std::string> NamedDevices(const Installation& installation) {
  std::vector<std::string> named;
  for (const KnownDisk& known : installation.disks) {
    if (known.forgotten || !OnlyWhenNamed(known.device_name)) continue;
    named.push_back(known.identity);
    if (IsWeak(known)) named.push_back(known.device_name);
  }
  return named;
}

DiskPlan PlanDisks(const Installation& installation, const std::vector<FoundDisk>& found) {
  DiskPlan plan;
  plan.known = installation.disks;
  const Matches matches(installation.disks, found);
  const auto in_use = [](const KnownDisk& known) { return !known.forgotten; };
  std::size_t replicated =
      static_cast<std::size_t>(std::count_if(plan.known.begin(), plan.known.end(), in_use));
  for (const FoundDisk& disk : found) {
    ReportedDisk report{.disk = disk};
    const std::size_t known = matches.KnownOf(disk);
    if (known < installation.disks.size()) {
      Renew(disk, &plan.known[known], &plan);
      report.disk_id = plan.known[known].disk_id;
      report.replicated = true;
      plan.disks.push_back(std::move(report));
      continue;
    }
    const std::string base_id = DiskId(installation.disk_seed, disk);
    report.disk_id = base_id;
    report.reason = Refusal(installation, base_id, disk, plan, replicated);
    report.replicated = report.reason.empty();
    if (report.replicated) {
      const std::int64_t generation = NextGeneration(plan.known, base_id);
      report.disk_id = IdOf(base_id, generation);
      plan.known.push_back({.disk_id = report.disk_id,
                            .base_id = base_id,
                            .generation = generation,
                            .identity = disk.identity,
                            .device_name = disk.device_name,
                            .size_bytes = disk.size_bytes,
                            .is_boot_disk = disk.is_boot_disk,
                            .sequence = disk.sequence});
      ++replicated;
    }
    plan.disks.push_back(std::move(report));
  }
  AddMissing(installation, matches, found, &plan);
  // Ids of a message differ from each other, also those of copies.
  for (ReportedDisk& each : plan.disks) {
    const auto same_id = [&](const ReportedDisk& other) { return other.disk_id == each.disk_id; };
    if (!each.replicated && std::count_if(plan.disks.begin(), plan.disks.end(), same_id) > 1)
      each.disk_id = DerivedId("d-", absl::StrCat(each.disk_id, "/", each.disk.device_name));
  }
  if (replicated == 0 && plan.problem.empty()) plan.problem = "there is no disk to replicate";
  return plan;
}

absl::StatusOr<std::string> ForgetDisk(const std::string& disk, const std::vector<FoundDisk>& found,
                                       Installation* installation) {
  const Matches matches(installation->disks, found);
  std::vector<std::size_t> named;
  std::size_t in_use = 0;
  for (std::size_t i = 0; i < installation->disks.size(); ++i) {
    const KnownDisk& known = installation->disks[i];
    if (known.forgotten) continue;
    ++in_use;
    if (disk == known.disk_id || disk == known.device_name ||
        known.device_name.ends_with("/" + disk)) {
      named.push_back(i);
    }
  }
  // Another disk may have its name by now.
  if (named.size() > 1)
    std::erase_if(named, [&](std::size_t i) { return matches.FoundOf(i) != nullptr; });
  std::vector<std::string>& chosen = installation->disk_ids;
  if (named.empty() && Contains(chosen, disk) && chosen.size() > 1) {
    const auto is = [&](const KnownDisk& known) { return known.base_id == disk; };
    if (std::none_of(installation->disks.begin(), installation->disks.end(), is)) {
      std::erase(chosen, disk);
      return disk;
    }
  }
  if (named.empty()) {
    return absl::NotFoundError(absl::StrCat(
        disk, ": no disk of this name is replicated; \"godwit-agent status\" lists them"));
  }
  if (named.size() > 1)
    return absl::FailedPreconditionError(absl::StrCat(disk, ": more than one; name it by its id"));
  KnownDisk& known = installation->disks[named[0]];
  if (known.is_boot_disk) {
    return absl::FailedPreconditionError(absl::StrCat(disk, ": the boot disk cannot be left out"));
  }
  if (matches.FoundOf(named[0]) != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(disk, ": it is there; only a disk that is gone can be forgotten"));
  }
  if (in_use == 1)
    return absl::FailedPreconditionError(absl::StrCat(disk, ": no disk would be left"));
  known.forgotten = true;
  std::erase(chosen, known.base_id);
  return known.disk_id;
}

}  // namespace godwit::agent
