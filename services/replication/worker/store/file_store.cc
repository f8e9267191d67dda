#include "services/replication/worker/store/file_store.h"

#include <sys/statvfs.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/master_keys.h"
#include "services/replication/worker/store/check_group.h"
#include "services/replication/worker/store/file_group.h"

namespace godwit::store {
namespace fs = std::filesystem;
namespace {

class FileStore final : public Store {
 public:
  FileStore(std::string folder, std::string id, std::string key_file)
      : folder_(std::move(folder)), id_(std::move(id)), key_file_(std::move(key_file)) {}
  const std::string& id() const override { return id_; }

  absl::StatusOr<StoreSpace> Space() const override {
    struct statvfs info;
    if (statvfs(folder_.c_str(), &info) != 0) return ErrnoStatus(folder_);
    return StoreSpace{.total_bytes = static_cast<std::int64_t>(info.f_blocks * info.f_frsize),
                      .free_bytes = static_cast<std::int64_t>(info.f_bavail * info.f_frsize)};
  }

  absl::StatusOr<std::shared_ptr<Group>> OpenGroup(const std::string& server_id,
                                                   std::int64_t generation,
                                                   const std::vector<DiskSpec>& disks) override {
    return Open(server_id, generation, disks, /*encrypt=*/false);
  }
  absl::StatusOr<std::shared_ptr<Group>> OpenEncryptedGroup(
      const std::string& server_id, std::int64_t generation,
      const std::vector<DiskSpec>& disks) override {
    return Open(server_id, generation, disks, /*encrypt=*/true);
  }

  absl::Status RemoveGroup(const std::string& server_id) override {
    RETURN_IF_ERROR(CheckId("source_server", "s-", server_id));
    std::error_code error;
    // Out of sight first: half of a group must never look like one.
    const std::string removed = absl::StrCat(folder_, "/groups/.removed-", server_id);
    fs::remove_all(removed, error);
    if (std::rename(Folder(server_id).c_str(), removed.c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(Folder(server_id));
    }
    fs::remove_all(removed, error);
    return error ? absl::InternalError(absl::StrCat(removed, ": ", error.message()))
                 : SyncDir(folder_ + "/groups");
  }

 private:
  absl::StatusOr<std::shared_ptr<Group>> Open(const std::string& server_id, std::int64_t generation,
                                              const std::vector<DiskSpec>& disks, bool encrypt) {
    RETURN_IF_ERROR(CheckGroup(server_id, disks));
    return FileGroup::Open(Folder(server_id), generation, disks, key_file_, encrypt);
  }

  std::string Folder(const std::string& server_id) const {
    return absl::StrCat(folder_, "/groups/", server_id);
  }
  const std::string folder_, id_, key_file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenFileStore(const std::string& folder,
                                                     const std::string& master_key_file) {
  if (!master_key_file.empty()) RETURN_IF_ERROR(crypt::MasterKeys::Load(master_key_file).status());
  std::error_code error;
  const std::string absolute = fs::absolute(folder, error).string();
  RETURN_IF_ERROR(MakeDirs(absolute + "/groups", 0750));
  const std::string path = absolute + "/store_id";
  absl::StatusOr<std::string> id = ReadFile(path, 64);
  if (absl::IsNotFound(id.status())) {
    id = NewUuid();
    RETURN_IF_ERROR(WriteFileAtomically(path, *id + "\n", 0640));
  }
  RETURN_IF_ERROR(id);
  const std::string clean(absl::StripAsciiWhitespace(*id));
  RETURN_IF_ERROR(Annotate(CheckUuid("store_id", clean), path));
  return std::unique_ptr<Store>(new FileStore(absolute, clean, master_key_file));
}

}  // namespace godwit::store
