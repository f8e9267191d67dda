#include "services/replication/worker/key_commands.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/qemu_image.h"

namespace godwit::worker {
namespace {

namespace fs = std::filesystem;

void Print(const std::string& line) { std::printf("%s\n", line.c_str()); }

// Folders below `root` that have a group's key.
absl::StatusOr<std::vector<std::string>> KeyFolders(const std::string& root) {
  std::vector<std::string> folders;
  std::error_code error;
  fs::recursive_directory_iterator it(root, error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    if (it->path().filename() == crypt::kGroupKeyFile)
      folders.push_back(it->path().parent_path().string());
  }
  if (error) return absl::NotFoundError(absl::StrCat("--store ", root, ": ", error.message()));
  std::sort(folders.begin(), folders.end());
  return folders;
}

absl::Status ListOrRewrap(bool rewrap, const std::string& store, const crypt::MasterKeys& keys) {
  if (store.empty()) return absl::InvalidArgumentError("--store is needed");
  ASSIGN_OR_RETURN(const std::vector<std::string> folders, KeyFolders(store));
  int failed = 0, older = 0;
  for (const std::string& folder : folders) {
    const absl::StatusOr<std::string> by = crypt::GroupKey::WrappedBy(folder);
    const auto key =
        rewrap ? crypt::GroupKey::LoadOrMake(folder, keys) : crypt::GroupKey::Load(folder, keys);
    std::string state = "current";
    if (!by.ok() || !key.ok()) {
      ++failed;
      state = absl::StrCat("FAILED: ", (by.ok() ? key.status() : by.status()).message());
    } else if (*by != keys.current().id) {
      ++older;
      state = rewrap ? absl::StrCat("rewrapped by ", keys.current().id) : "older master key";
    }
    Print(absl::StrCat(folder, "  ", by.value_or("?"), "  ", state));
  }
  for (const crypt::MasterKey& key : keys.keys()) {
    const auto uses = std::count_if(folders.begin(), folders.end(), [&](const auto& folder) {
      return crypt::GroupKey::WrappedBy(folder).value_or("") == key.id;
    });
    Print(absl::StrCat(key.id, ": ", key.id == keys.current().id ? "current, " : "", uses,
                       " groups here"));
  }
  if (failed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(failed, " keys cannot be unwrapped"));
}

}  // namespace

absl::Status RunKeyCommand(const std::vector<std::string>& words, const std::string& store,
                           const std::string& master_key_file) {
  const std::string verb = words.empty() ? "" : words[0];
  const bool of_image = verb == "url" || verb == "passphrase";
  if ((verb != "generate" && verb != "list" && verb != "rewrap" && !of_image) ||
      words.size() != (of_image ? 2u : 1u)) {
    return absl::InvalidArgumentError(absl::StrCat("commands for keys:\n", kKeyCommands));
  }
  if (master_key_file.empty()) return absl::InvalidArgumentError("--master-key-file is needed");
  if (verb == "generate") {
    ASSIGN_OR_RETURN(const std::string id, crypt::AddMasterKey(master_key_file));
    Print(id);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const crypt::MasterKeys keys, crypt::MasterKeys::Load(master_key_file));
  if (!of_image) return ListOrRewrap(verb == "rewrap", store, keys);
  const std::string path = fs::absolute(words[1]).string();
  ASSIGN_OR_RETURN(const auto image, crypt::QemuImage::Open(path, master_key_file));
  if (verb == "url") {
    Print(image.Url());
  } else if (image.encrypted()) {
    std::fwrite(image.key()->passphrase().data(), 1, image.key()->passphrase().size(), stdout);
  } else {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is not encrypted"));
  }
  return absl::OkStatus();
}

}  // namespace godwit::worker
