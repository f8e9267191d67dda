// Clones of points, forgetting points, and what nobody needs any more.
//
// A clone of a disk is a qcow2 file in a folder of the worker's machine on top of the point's
// snapshot, which QEMU reads from the cluster itself. The manifest names clones, so a snapshot
// stays while one stands on it.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/manifest.h"
#include "services/replication/worker/store/qcow2.h"
#include "services/replication/worker/store/rbd/group.h"

namespace godwit::store::rbd {
namespace fs = std::filesystem;
namespace pb = ::godwit::replication::v1;

namespace {

bool Has(const pb::RbdDisk& disk, std::int64_t epoch) {
  return disk.first_epoch() != 0 && disk.first_epoch() <= epoch &&
         (disk.last_epoch() == 0 || epoch <= disk.last_epoch());
}

// The name by which QEMU opens a snapshot.
std::string QemuName(const RbdOptions& options, const std::string& image, std::int64_t epoch) {
  const auto escaped = [](const std::string& text) {
    return absl::StrReplaceAll(
        text, {{"\\", "\\\\"}, {":", "\\:"}, {"@", "\\@"}, {"=", "\\="}, {"/", "\\/"}});
  };
  std::string name = absl::StrCat("rbd:", escaped(options.pool), "/");
  if (!options.name_space.empty()) absl::StrAppend(&name, escaped(options.name_space), "/");
  absl::StrAppend(&name, escaped(image), "@", SnapshotName(epoch), ":id=", escaped(options.user),
                  ":conf=", absl::StrReplaceAll(options.conf, {{"\\", "\\\\"}, {":", "\\:"}}));
  return name;
}

template <typename Clones>
auto Find(Clones& clones, const std::string& clone_id) {
  return std::find_if(clones.begin(), clones.end(),
                      [&](const pb::RbdClone& each) { return each.clone_id() == clone_id; });
}

}  // namespace

std::vector<CloneFile> RbdGroup::FilesOf(const pb::RbdClone& clone) const {
  std::vector<CloneFile> files;
  for (const pb::RbdDisk& disk : manifest_.disks()) {
    if (!Has(disk, clone.epoch())) continue;
    const DiskSpec spec{.disk_id = disk.disk_id(),
                        .device_name = disk.device_name(),
                        .size_bytes = static_cast<std::uint64_t>(disk.size_bytes()),
                        .is_boot_disk = disk.is_boot_disk()};
    files.push_back({spec, absl::StrCat(clone.folder(), "/", disk.disk_id(), ".qcow2")});
  }
  return files;
}

absl::Status RbdGroup::MakeOverlays(const pb::RbdClone& clone) const {
  const fs::path folder(clone.folder());
  const std::string building = (folder.parent_path() / ("." + folder.filename().string())).string();
  std::error_code error;
  fs::remove_all(building, error);
  RETURN_IF_ERROR(MakeDirs(building, 0750));
  for (const pb::RbdDisk& disk : manifest_.disks()) {
    if (!Has(disk, clone.epoch())) continue;
    RETURN_IF_ERROR(CreateOverlay(
        absl::StrCat(building, "/", disk.disk_id(), ".qcow2"),
        static_cast<std::uint64_t>(disk.size_bytes()),
        {.file = QemuName(cluster_->options(), disk.image(), clone.epoch()), .format = "raw"}));
  }
  RETURN_IF_ERROR(SyncDir(building));
  fs::remove_all(folder, error);
  if (rename(building.c_str(), clone.folder().c_str()) != 0) return ErrnoStatus(clone.folder());
  return SyncDir(folder.parent_path().string());
}

void RbdGroup::RemoveOverlays(const std::string& folder) {
  std::error_code error;
  if (!folder.empty()) fs::remove_all(folder, error);
}

absl::StatusOr<std::vector<CloneFile>> RbdGroup::CreateClone(const std::string& clone_id,
                                                             std::int64_t epoch) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  const auto known = Find(manifest_.clones(), clone_id);
  if (known != manifest_.clones().end() && !known->folder().empty()) {
    if (fs::exists(known->folder())) return FilesOf(*known);
    return absl::FailedPreconditionError(absl::StrCat(
        "clone ", clone_id, " is in ", known->folder(), " of another machine, or was lost there"));
  }
  if (epoch == 0) epoch = LastPoint();
  if (epoch == 0) {
    return absl::FailedPreconditionError(
        "a replica in a Ceph pool can be looked at from its first point on");
  }
  const auto at_epoch = [&](const pb::RbdPoint& point) {
    return point.facts().epoch() == epoch && !point.deleted();
  };
  if (std::none_of(manifest_.points().begin(), manifest_.points().end(), at_epoch))
    return absl::NotFoundError(absl::StrCat("no point of epoch ", epoch));
  pb::RbdManifest next = manifest_;
  if (known == manifest_.clones().end()) next.add_clones()->set_clone_id(clone_id);
  Find(*next.mutable_clones(), clone_id)->set_epoch(epoch);
  // From here on the snapshots stay.
  RETURN_IF_ERROR(Broken(Publish(next)));
  pb::RbdClone made = *Find(manifest_.clones(), clone_id);
  made.set_folder(absl::StrCat(cluster_->options().clone_folder, "/", server_, "/", clone_id));
  RETURN_IF_ERROR(MakeOverlays(made));
  next = manifest_;
  *Find(*next.mutable_clones(), clone_id) = made;
  RETURN_IF_ERROR(Broken(Publish(next)));
  return FilesOf(made);
}

absl::Status RbdGroup::DeleteClone(const std::string& clone_id) {
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Usable());
    const auto known = Find(manifest_.clones(), clone_id);
    if (known == manifest_.clones().end()) return absl::OkStatus();
    RemoveOverlays(known->folder());
    pb::RbdManifest next = manifest_;
    next.mutable_clones()->erase(Find(*next.mutable_clones(), clone_id));
    RETURN_IF_ERROR(Broken(Publish(next)));
  }
  return Reclaim();
}

absl::Status RbdGroup::DeletePoints(const std::vector<std::int64_t>& epochs) {
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Usable());
    const std::set<std::int64_t> gone(epochs.begin(), epochs.end());
    if (gone.contains(LastPoint()))
      return absl::FailedPreconditionError("the newest point cannot be deleted");
    pb::RbdManifest next = manifest_;
    for (pb::RbdPoint& point : *next.mutable_points())
      if (gone.contains(point.facts().epoch())) point.set_deleted(true);
    RETURN_IF_ERROR(Broken(Publish(next)));
  }
  return Reclaim();
}

std::set<std::int64_t> RbdGroup::NeededEpochs() const {
  std::set<std::int64_t> epochs;
  for (const pb::RbdPoint& point : manifest_.points())
    if (!point.deleted()) epochs.insert(point.facts().epoch());
  for (const pb::RbdClone& clone : manifest_.clones()) epochs.insert(clone.epoch());
  return epochs;
}

absl::Status RbdGroup::Reclaim() {
  absl::MutexLock one_at_a_time(&reclaim_);
  pb::RbdManifest before;
  std::set<std::int64_t> needed;
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Usable());
    before = manifest_;
    needed = NeededEpochs();
  }
  std::set<std::int64_t> gone;
  std::set<std::string> unused;  // images
  for (const pb::RbdPoint& point : before.points())
    if (!needed.contains(point.facts().epoch())) gone.insert(point.facts().epoch());
  for (const pb::RbdDisk& disk : before.disks()) {
    const bool used = std::any_of(needed.begin(), needed.end(),
                                  [&](std::int64_t epoch) { return Has(disk, epoch); });
    if (disk.last_epoch() != 0 && !used) {
      RETURN_IF_ERROR(Volume::Remove(*cluster_, disk));
      unused.insert(disk.image());
      continue;
    }
    if (std::none_of(gone.begin(), gone.end(), [&](auto epoch) { return Has(disk, epoch); }))
      continue;
    std::unique_ptr<Image> opened;
    Image* image = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      for (const auto& volume : volumes_)
        if (volume->disk_id() == disk.disk_id() && disk.last_epoch() == 0) image = &volume->image();
    }
    if (image == nullptr) {  // no longer replicated
      ASSIGN_OR_RETURN(opened, Image::Open(*cluster_, disk.image(),
                                           static_cast<std::uint64_t>(disk.size_bytes())));
      image = opened.get();
    }
    for (const std::int64_t epoch : gone)
      RETURN_IF_ERROR(image->RemoveSnapshot(SnapshotName(epoch)));
  }
  if (gone.empty() && unused.empty()) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  pb::RbdManifest next = manifest_;
  std::int64_t carried = 0;
  for (auto it = next.mutable_points()->begin(); it != next.mutable_points()->end();) {
    if (gone.contains(it->facts().epoch())) {
      carried += it->allocated_bytes();
      it = next.mutable_points()->erase(it);
    } else {
      // What the next one needs of it is not known without asking the cluster for every object.
      it->set_allocated_bytes(std::max(it->allocated_bytes(), carried));
      carried = 0;
      ++it;
    }
  }
  auto& disks = *next.mutable_disks();
  disks.erase(
      std::remove_if(disks.begin(), disks.end(),
                     [&](const pb::RbdDisk& disk) { return unused.contains(disk.image()); }),
      disks.end());
  RETURN_IF_ERROR(Broken(Publish(next)));
  CountAllocated();
  return absl::OkStatus();
}

}  // namespace godwit::store::rbd
