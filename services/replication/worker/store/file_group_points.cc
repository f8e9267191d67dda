// What a group does with points that it has: clones of them, forgetting them, fewer layers.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/file_group.h"
#include "services/replication/worker/store/manifest.h"
#include "services/replication/worker/store/merge.h"
#include "services/replication/worker/store/reclaim.h"

namespace godwit::store {
namespace fs = std::filesystem;
namespace pb = ::godwit::replication::v1;

namespace {

// The base is looked through again after layers worth a sixteenth of the disk.
constexpr std::int64_t kReclaimShare = 16;

std::int64_t AllocatedBytesOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_blocks * 512 : 0;
}

// The newest file of the disk that belongs to a point; null: it had no such disk.
const pb::StagedFile* FileAt(const pb::StagedDisk& disk, std::int64_t epoch) {
  if (disk.last_epoch() != 0 && disk.last_epoch() < epoch) return nullptr;  // removed before
  return TopFile(disk, epoch);                                              // null: added later
}

}  // namespace

absl::Status FileGroup::BuildClone(const std::string& folder, std::int64_t epoch) {
  for (const pb::StagedDisk& disk : manifest_.disks()) {
    const pb::StagedFile* top = FileAt(disk, epoch);
    if (top == nullptr) continue;
    RETURN_IF_ERROR(MakeDirs(folder + "/" + disk.disk_id(), 0750));
    for (const pb::StagedFile& file : disk.files()) {
      if (file.epoch() > epoch) break;
      RETURN_IF_ERROR(LinkFile(folder_ + "/" + file.name(), folder + "/" + file.name()));
      if (group_key_ == nullptr || !IsBase(file.name())) continue;
      const std::string image = ImageOfBase(file.name());
      RETURN_IF_ERROR(LinkFile(folder_ + "/" + image, folder + "/" + image));
    }
    RETURN_IF_ERROR(SyncDir(folder + "/" + disk.disk_id()));
    Backing backing = BackingOf(top->name(), group_key_ != nullptr);
    backing.file = absl::StrCat(disk.disk_id(), "/", backing.file);
    RETURN_IF_ERROR(CreateOverlay(absl::StrCat(folder, "/", disk.disk_id(), ".qcow2"),
                                  static_cast<std::uint64_t>(disk.size_bytes()), backing,
                                  group_key_));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CloneFile>> FileGroup::CreateClone(const std::string& clone_id,
                                                              std::int64_t epoch) {
  absl::MutexLock lock(&mutex_);
  const auto at_epoch = [&](const pb::StagedPoint& point) { return point.epoch() == epoch; };
  if (epoch != 0 && std::none_of(manifest_.points().begin(), manifest_.points().end(), at_epoch)) {
    return absl::NotFoundError(absl::StrCat("no point of epoch ", epoch));
  }
  const std::string final_folder = absl::StrCat(group_, "/clones/", clone_id);
  const std::string building = absl::StrCat(group_, "/clones/.", clone_id);
  std::error_code error;
  if (!fs::exists(final_folder)) {
    fs::remove_all(building, error);
    RETURN_IF_ERROR(MakeDirs(building, 0750));
    const bool view = epoch == 0 && manifest_.points_size() == 0;
    RETURN_IF_ERROR(view ? BuildView(building)
                         : BuildClone(building, epoch == 0 ? LastPoint() : epoch));
    RETURN_IF_ERROR(SyncDir(building));
    if (rename(building.c_str(), final_folder.c_str()) != 0) return ErrnoStatus(final_folder);
    RETURN_IF_ERROR(SyncDir(group_ + "/clones"));
  }
  std::vector<CloneFile> clone;
  const auto add = [&](const pb::StagedDisk& disk) {
    const std::string path = absl::StrCat(final_folder, "/", disk.disk_id(), ".qcow2");
    if (fs::exists(path, error)) clone.push_back({FromStaged(disk), path});
  };
  if (epoch == 0) {
    for (const auto& volume : volumes_) add(volume->staged());
  } else {
    for (const pb::StagedDisk& disk : manifest_.disks()) add(disk);
  }
  return clone;
}

std::vector<PointSize> FileGroup::PointSizes(std::size_t limit) const {
  pb::StagingManifest manifest;
  {
    absl::MutexLock lock(&mutex_);
    manifest = manifest_;
  }
  return sizer_.Sizes(folder_, manifest, limit, group_key_);
}

absl::Status FileGroup::DeleteClone(const std::string& clone_id) {
  absl::MutexLock lock(&mutex_);
  std::error_code error;
  fs::remove_all(absl::StrCat(group_, "/clones/.", clone_id), error);
  fs::remove_all(absl::StrCat(group_, "/clones/", clone_id), error);
  return error ? absl::InternalError(absl::StrCat("clone ", clone_id, ": ", error.message()))
               : SyncDir(group_ + "/clones");
}

absl::Status FileGroup::DeletePoints(const std::vector<std::int64_t>& epochs) {
  {
    absl::MutexLock no_merge(&compaction_);
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Usable());
    const std::set<std::int64_t> gone(epochs.begin(), epochs.end());
    if (gone.contains(LastPoint()))
      return absl::FailedPreconditionError("the newest point cannot be deleted");
    pb::StagingManifest next = manifest_;
    next.set_lease_generation(generation_);
    next.clear_points();
    for (const pb::StagedPoint& point : manifest_.points()) {
      if (!gone.contains(point.epoch())) *next.add_points() = point;
    }
    const std::vector<std::string> unused = DropUnusedDisks(&next);
    if (next.points_size() != manifest_.points_size()) RETURN_IF_ERROR(Publish(next));
    std::error_code error;
    for (const std::string& id : unused) fs::remove_all(folder_ + "/" + id, error);
  }
  return Compact();
}

absl::Status FileGroup::Compact() {
  absl::MutexLock one_at_a_time(&compaction_);
  while (true) {
    pb::StagedDisk disk;
    std::optional<MergeRange> range;
    {
      absl::MutexLock lock(&mutex_);
      RETURN_IF_ERROR(Usable());
      std::vector<std::int64_t> kept;
      for (const pb::StagedPoint& point : manifest_.points()) kept.push_back(point.epoch());
      for (const pb::StagedDisk& each : manifest_.disks()) {
        std::vector<std::int64_t> bytes;
        for (const pb::StagedFile& file : each.files())
          bytes.push_back(AllocatedBytesOf(folder_ + "/" + file.name()));
        range = NextMerge(each, bytes, kept);
        disk = each;
        if (range) break;
      }
    }
    if (!range) return Reclaim();
    // The group goes on meanwhile: it only adds files behind these.
    ASSIGN_OR_RETURN(const std::string merged, MergeLayers(folder_, disk, *range, group_key_));
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Usable());
    const std::string& name = disk.files(range->last).name();
    // It reads as the layers that it stands for do, so it may take the place of the newest before
    // the manifest knows.
    if (rename(merged.c_str(), (folder_ + "/" + name).c_str()) != 0) return ErrnoStatus(merged);
    RETURN_IF_ERROR(SyncDir(folder_ + "/" + disk.disk_id()));
    pb::StagingManifest next = manifest_;
    next.set_lease_generation(generation_);
    for (pb::StagedDisk& each : *next.mutable_disks()) {
      if (each.disk_id() == disk.disk_id())
        each.mutable_files()->DeleteSubrange(range->first, range->last - range->first);
    }
    RETURN_IF_ERROR(Publish(next));
    for (int i = range->first; i < range->last; ++i)
      unlink((folder_ + "/" + disk.files(i).name()).c_str());
    for (const pb::StagedDisk& each : next.disks()) {
      for (const auto& volume : volumes_) {
        if (each.disk_id() == disk.disk_id() && volume->staged().disk_id() == disk.disk_id())
          RETURN_IF_ERROR(Broken(volume->Replace(each)));
      }
    }
  }
}

absl::Status FileGroup::Reclaim() {
  std::vector<pb::StagedDisk> disks;
  std::int64_t oldest = 0;
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Usable());
    if (manifest_.points_size() == 0) return absl::OkStatus();
    oldest = manifest_.points(0).epoch();
    disks.assign(manifest_.disks().begin(), manifest_.disks().end());
  }
  // Nobody waits: clones are made of kept points only, which do not read these blocks.
  for (const pb::StagedDisk& disk : disks) {
    std::int64_t& since = reclaimed_[disk.disk_id()];
    if (NewlyCovered(folder_, disk, since, oldest) < disk.size_bytes() / kReclaimShare) continue;
    ASSIGN_OR_RETURN(const std::uint64_t covered, ReclaimBase(folder_, disk, oldest, group_key_));
    if (covered > 0) since = oldest;
  }
  return absl::OkStatus();
}

}  // namespace godwit::store
