#include "services/replication/worker/store/open_store.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/file_store.h"
#include "services/replication/worker/store/rbd/rbd_store.h"

namespace godwit::store {

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& name, RbdOptions rbd,
                                                 const std::string& master_key_file) {
  constexpr absl::string_view kPrefix = "rbd:";
  if (!absl::StartsWith(name, kPrefix)) return OpenFileStore(name, master_key_file);
  const std::vector<std::string> parts = absl::StrSplit(name.substr(kPrefix.size()), '/');
  if (parts.size() > 2 || parts[0].empty() || (parts.size() == 2 && parts[1].empty()))
    return absl::InvalidArgumentError("--store: rbd:POOL or rbd:POOL/NAMESPACE is needed");
  if (rbd.clone_folder.empty()) {
    return absl::InvalidArgumentError(
        "--clone-folder: a folder for the disks of clones is needed with a store in Ceph");
  }
  rbd.pool = parts[0];
  if (parts.size() == 2) rbd.name_space = parts[1];
  // Others open what the clones say, from folders of their own.
  std::error_code error;
  rbd.conf = std::filesystem::absolute(rbd.conf, error).string();
  rbd.clone_folder = std::filesystem::absolute(rbd.clone_folder, error).string();
  return OpenRbdStore(rbd);
}

}  // namespace godwit::store
