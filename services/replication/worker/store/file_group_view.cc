// Looking at a replica before its first point.
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/file_group.h"
#include "services/replication/worker/store/manifest.h"

namespace godwit::store {
namespace fs = std::filesystem;

absl::StatusOr<Backing> Volume::LinkUnfinished(const std::string& folder) const {
  if (old_base_) {
    return absl::FailedPreconditionError(
        absl::StrCat(staged_.device_name(),
                     ": another worker began this copy, so what arrived is in several "
                     "files until the first point: look again then"));
  }
  if (open_ == nullptr || !open_->used()) return Backing{};
  const std::string name = fs::path(open_->path()).filename().string();
  RETURN_IF_ERROR(LinkFile(open_->path(), folder + "/" + name));
  if (group_ == nullptr) return Backing{name, "raw"};
  const std::string image = ImageOfBase(name);
  RETURN_IF_ERROR(WriteBaseImage(folder + "/" + image,
                                 static_cast<std::uint64_t>(staged_.size_bytes()), name,
                                 open_->cipher(), open_->Written()));
  return Backing{image, "qcow2"};
}

absl::Status FileGroup::BuildView(const std::string& folder) {
  RETURN_IF_ERROR(Usable());
  bool any = false;
  for (const auto& volume : volumes_) {
    const replication::v1::StagedDisk& disk = volume->staged();
    const std::string files = folder + "/" + disk.disk_id();
    RETURN_IF_ERROR(MakeDirs(files, 0750));
    ASSIGN_OR_RETURN(Backing backing, volume->LinkUnfinished(files));
    any |= !backing.file.empty();
    if (!backing.file.empty()) backing.file = absl::StrCat(disk.disk_id(), "/", backing.file);
    RETURN_IF_ERROR(CreateOverlay(files + ".qcow2", static_cast<std::uint64_t>(disk.size_bytes()),
                                  backing, group_key_));
    RETURN_IF_ERROR(SyncDir(files));
  }
  if (any) return absl::OkStatus();
  return absl::FailedPreconditionError("nothing of the disks has arrived yet: look again later");
}

}  // namespace godwit::store
