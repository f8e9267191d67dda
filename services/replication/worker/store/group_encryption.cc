#include "services/replication/worker/store/group_encryption.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {
namespace {

namespace fs = std::filesystem;

// Anything that holds content or digests.
absl::StatusOr<bool> HasContent(const std::string& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    for (const char* const suffix : {".raw", ".qcow2", ".log", ".journal", ".digests"}) {
      if (absl::EndsWith(name, suffix)) return true;
    }
  }
  return error ? absl::StatusOr<bool>(absl::InternalError(folder + ": " + error.message())) : false;
}

}  // namespace

absl::StatusOr<crypt::GroupKeyPtr> TakeGroupKey(const std::string& folder,
                                                const std::string& key_file, bool encrypt) {
  const bool encrypted = crypt::GroupKey::Exists(folder);
  if (!encrypted && !encrypt) return crypt::GroupKeyPtr();
  if (!encrypted) {
    ASSIGN_OR_RETURN(const bool content, HasContent(folder));
    if (content) {
      return absl::FailedPreconditionError(
          "the settings ask for encrypted staging, but this replica was begun without: stop "
          "replication and start it again (a new initial sync), or take the setting back");
    }
  }
  if (key_file.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        encrypted ? "the replica is encrypted" : "the settings ask for encrypted staging",
        ", but the replication worker has no key: start it with --master-key-file"));
  }
  const absl::StatusOr<crypt::MasterKeys> keys = crypt::MasterKeys::Load(key_file);
  if (!keys.ok()) return absl::FailedPreconditionError(keys.status().message());
  return crypt::GroupKey::LoadOrMake(folder, *keys);
}

}  // namespace godwit::store
