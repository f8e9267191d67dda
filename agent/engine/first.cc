// What travels first: the part of the engine that plans it and takes it before everything else.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/boot/device_place.h"
#include "agent/boot/plan.h"
#include "agent/engine/engine.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
using block::kBlockSize;

namespace {

// The number of the device at `path`, and what its tables count in.
std::string DeviceAt(const std::string& path, std::uint32_t* sector_bytes) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0 || !S_ISBLK(info.st_mode)) return "";
  int bytes = 0;
  if (ioctl(fd.get(), BLKSSZGET, &bytes) == 0 && bytes >= 512 && bytes <= 4096)
    *sector_bytes = static_cast<std::uint32_t>(bytes);
  return NameOf(info.st_rdev);
}

}  // namespace

absl::Status Engine::BeginWhole() {
  bool plan = whole_disks_;
  {
    absl::MutexLock lock(&mutex_);
    // Also what an agent before this one began.
    plan = plan || (!first_point_ && !first_planned_);
  }
  RETURN_IF_ERROR(LeaveOutUnused());
  if (plan) PlanFirst();
  return absl::OkStatus();
}

void Engine::PlanFirst() {
  first_planned_ = true;
  const absl::Time from = SteadyNow();
  PlanSource source{.mountinfo = ReadFile("/proc/self/mountinfo").value_or(""),
                    .devices = options_.devices,
                    .root = options_.root};
  std::vector<PickedDisk> disks;
  for (const auto& disk : disks_) {
    PickedDisk picked{.size_bytes = disk->size_bytes(),
                      .read = [&disk = *disk](std::uint64_t block, block::MutableBytes out) {
                        return disk.Read(block, 1, out);
                      }};
    source.disks.push_back(DeviceAt(disk->path(), &picked.sector_bytes));
    disks.push_back(std::move(picked));
  }
  const FirstPlan plan = PlanFirstBlocks(std::move(disks), source, options_.first);
  absl::MutexLock lock(&mutex_);
  first_.Want(plan.runs, disks_);
  Log(Severity::kInfo, "what the machine boots from is sent first",
      {{"bytes", absl::StrCat(first_.wanted() * kBlockSize)},
       {"looking_took", absl::FormatDuration(SteadyNow() - from)},
       {"left_out", absl::StrJoin(plan.left_out, "; ")}});
}

std::int64_t Engine::BeginFirst(std::size_t most) {
  std::uint32_t index = 0;
  BlockGroup group;
  {
    absl::MutexLock lock(&mutex_);
    group = first_.NextToSend(disks_, static_cast<std::uint32_t>(most / kBlockSize), &index);
    if (group.present == 0) return 0;
    TakeToSend(index, group);
  }
  return BeginToRead(index, group);
}

void Engine::SweepFirst() {
  absl::MutexLock lock(&mutex_);
  if (first_.Sweep(disks_, absl::Now())) {
    Log(Severity::kInfo, "what the machine boots from is there",
        {{"bytes", absl::StrCat(first_.wanted() * kBlockSize)}});
  }
}

std::string Engine::FirstBlocksText() {
  absl::MutexLock lock(&mutex_);
  return first_.Text();
}

}  // namespace godwit::agent
