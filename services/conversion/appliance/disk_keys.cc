#include "services/conversion/appliance/disk_keys.h"

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::conversion {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxKey = 8192;
constexpr std::size_t kMaxKeys = 256;

bool IsKeyName(const std::string& stem) {
  if (stem == "default") return true;
  return stem.size() == 36 &&
         stem.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
}

}  // namespace

absl::Status AddDiskKeys(const std::string& folder, convert::CpioWriter* job) {
  if (folder.empty()) return absl::OkStatus();
  std::error_code error;
  std::set<fs::path> paths;  // in order, so that the same keys make the same job
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".key" && IsKeyName(entry.path().stem().string()))
      paths.insert(entry.path());
    if (paths.size() > kMaxKeys) {
      return absl::FailedPreconditionError(absl::StrCat(folder, ": more than ", kMaxKeys, " keys"));
    }
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  for (const fs::path& path : paths) {
    const fs::perms perms = fs::status(path, error).permissions();
    if (error || (perms & (fs::perms::group_all | fs::perms::others_all)) != fs::perms::none) {
      return absl::FailedPreconditionError(
          absl::StrCat(path.string(), ": only its owner may read a key (chmod 600)"));
    }
    const absl::StatusOr<std::string> key = ReadFile(path.string(), kMaxKey);
    if (!key.ok()) return absl::FailedPreconditionError(key.status().message());
    job->File("keys/" + path.filename().string(), *key, "", /*secret=*/true);
  }
  return absl::OkStatus();
}

}  // namespace godwit::conversion
