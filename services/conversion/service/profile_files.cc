#include "services/conversion/service/profile_files.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::conversion {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxFile = 64 << 10;
constexpr std::size_t kMaxProfiles = 500;

}  // namespace

std::string DefaultProfileFolder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path built = self.parent_path().parent_path() / "profiles";
  return fs::is_directory(built, error) ? built.string() : "/usr/share/godwit/profiles";
}

absl::StatusOr<Profiles> LoadProfiles(const std::vector<std::string>& folders) {
  Profiles profiles;
  for (const std::string& folder : folders) {
    std::error_code error;
    std::vector<std::string> files;
    fs::directory_iterator entries(folder, error);
    if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
    for (const auto& entry : entries) {
      if (entry.path().extension() == ".json") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxFile));
      ASSIGN_OR_RETURN(Profile profile, ParseProfile(text, file));
      RETURN_IF_ERROR(profiles.Add(std::move(profile)));
      if (profiles.all().size() > kMaxProfiles)
        return absl::InvalidArgumentError(absl::StrCat(folder, ": more than 500 profiles"));
    }
  }
  if (profiles.Find("") == nullptr)
    return absl::NotFoundError(absl::StrCat("no profile \"", kDefaultProfile, "\" in any folder"));
  return profiles;
}

}  // namespace godwit::conversion
