#include "services/conversion/appliance/scripts_folder.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::conversion {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxScripts = 100;
constexpr std::size_t kMaxScript = 256 << 10;
constexpr std::size_t kMaxName = 64;
constexpr int kHeadLines = 10;
constexpr char kTimeout[] = "# timeout:";

absl::Status CheckName(const std::string& folder, const std::string& name) {
  bool good = name.size() > 3 && name.size() <= kMaxName && name[2] == '-';
  for (std::size_t i = 0; good && i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    good =
        i < 2 ? absl::ascii_isdigit(c) : absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      folder, "/", name, ": names are two digits, '-' and letters, digits, '-', '_' or '.'"));
}

absl::Status ReadTimeout(const std::string& file, Script* script) {
  int line_number = 0;
  for (const absl::string_view line : absl::StrSplit(script->text, '\n')) {
    if (++line_number > kHeadLines) break;
    if (!absl::StartsWith(line, kTimeout)) continue;
    absl::Duration timeout;
    if (!absl::ParseDuration(absl::StripAsciiWhitespace(line.substr(sizeof(kTimeout) - 1)),
                             &timeout) ||
        timeout < absl::Seconds(1) || timeout > absl::Hours(1)) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": timeout: 1s to 1h"));
    }
    script->timeout_seconds = static_cast<int>(absl::ToInt64Seconds(timeout));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Script>> LoadScripts(const std::string& folder) {
  std::vector<Script> scripts;
  if (folder.empty()) return scripts;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  std::vector<std::string> names;
  for (const auto& entry : entries) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  if (names.size() > kMaxScripts)
    return absl::InvalidArgumentError(absl::StrCat(folder, ": more than 100 scripts"));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(CheckName(folder, name));
    const std::string file = absl::StrCat(folder, "/", name);
    Script script{.name = name};
    ASSIGN_OR_RETURN(script.text, ReadFile(file, kMaxScript));
    if (absl::StrContains(script.text, '\0'))
      return absl::InvalidArgumentError(absl::StrCat(file, ": not a shell script"));
    RETURN_IF_ERROR(ReadTimeout(file, &script));
    scripts.push_back(std::move(script));
  }
  return scripts;
}

}  // namespace godwit::conversion
