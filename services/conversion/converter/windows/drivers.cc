#include "services/conversion/converter/windows/drivers.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/names.h"

namespace godwit::convert::windows {
namespace {

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxInfs = 5000;
constexpr std::size_t kMaxFolders = 10000;
constexpr std::size_t kMaxInfBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxChosenBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxSkipped = 100;
// Of a path that names no version: behind those that name the guest's own, before older ones.
constexpr int kUnnamed = 2;

void FindInfs(const GuestRoot& root, const std::string& folder, int depth, std::size_t* folders,
              std::vector<std::string>* infs) {
  if (depth > kMaxDepth || ++*folders > kMaxFolders) return;
  for (const std::string& name : root.List(folder.empty() ? "." : folder)) {
    const std::string path = folder.empty() ? name : absl::StrCat(folder, "/", name);
    if (absl::EndsWithIgnoreCase(name, ".inf")) {
      if (infs->size() < kMaxInfs) infs->push_back(path);
    } else if (!root.IsSymlink(path)) {
      FindInfs(root, path, depth + 1, folders, infs);
    }
  }
}

std::vector<std::int64_t> VersionNumbers(const std::string& version) {
  std::vector<std::int64_t> numbers;
  for (const absl::string_view part : absl::StrSplit(version, '.')) {
    std::int64_t number = 0;
    (void)absl::SimpleAtoi(absl::StripAsciiWhitespace(part), &number);
    numbers.push_back(number);
  }
  return numbers;
}

// The package's files as far as they lie beside its .inf.
absl::Status ReadFiles(const GuestRoot& supplies, DriverPackage* package, std::size_t* bytes) {
  std::vector<std::string> names = package->inf.files;
  names.push_back(package->inf_name);
  for (const std::string& name : names) {
    const std::string wanted =
        package->folder.empty() ? name : absl::StrCat(package->folder, "/", name);
    const std::optional<std::string> path = FindPath(supplies, wanted);
    if (!path) continue;
    ASSIGN_OR_RETURN(std::string content, supplies.Read(*path, kMaxChosenBytes));
    *bytes += content.size();
    if (*bytes > kMaxChosenBytes) {
      return absl::ResourceExhaustedError(
          "the drivers for this guest are larger than 64 MiB together: give a smaller folder");
    }
    package->files[name] = std::move(content);
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<int> RankPath(const std::string& folder, const Version& version) {
  const std::vector<std::string> order = FolderWords(version);
  int rank = -1;
  for (const absl::string_view part : absl::StrSplit(folder, '/', absl::SkipEmpty())) {
    const std::string word = absl::AsciiStrToLower(part);
    const std::string architecture = ArchitectureOfWord(word);
    if (!architecture.empty() && architecture != version.architecture) return std::nullopt;
    if (!IsFolderWord(word)) continue;
    const auto found = std::find(order.begin(), order.end(), word);
    if (found == order.end()) return std::nullopt;
    rank = static_cast<int>(found - order.begin());
    if (rank >= kUnnamed) ++rank;
  }
  return rank < 0 ? kUnnamed : rank;
}

absl::StatusOr<DriverChoice> ChooseDrivers(const GuestRoot& supplies, const Version& version) {
  DriverChoice choice;
  std::vector<std::string> infs;
  std::size_t folders = 0;
  FindInfs(supplies, "", 0, &folders, &infs);
  struct Candidate {
    int rank = 0;
    DriverPackage package;
  };
  std::map<std::string, Candidate> best;
  const auto skip = [&](const std::string& path, absl::string_view why) {
    if (choice.skipped.size() < kMaxSkipped)
      choice.skipped.push_back(absl::StrCat(path, ": ", why));
  };
  for (const std::string& path : infs) {
    const std::size_t slash = path.rfind('/');
    Candidate candidate;
    candidate.package.folder = slash == std::string::npos ? "" : path.substr(0, slash);
    candidate.package.inf_name = slash == std::string::npos ? path : path.substr(slash + 1);
    const std::optional<int> rank = RankPath(candidate.package.folder, version);
    if (!rank) {
      ++choice.other_count;
      continue;
    }
    const absl::StatusOr<std::string> bytes = supplies.Read(path, kMaxInfBytes);
    absl::StatusOr<InfText> text = bytes.ok() ? ParseInfText(*bytes) : bytes.status();
    absl::StatusOr<DriverInf> inf = text.ok() ? ReadDriverInf(*text, version) : text.status();
    if (absl::IsNotFound(inf.status())) {
      ++choice.other_count;
      continue;
    }
    if (!inf.ok()) {
      skip(path, inf.status().message());
      continue;
    }
    const std::string binary = inf->service ? inf->service->binary : "";
    if (!binary.empty() &&
        !FindPath(supplies, absl::StrCat(candidate.package.folder, "/", binary))) {
      skip(path, absl::StrCat(binary, " is not beside it"));
      continue;
    }
    candidate.rank = *rank;
    candidate.package.inf = *std::move(inf);
    candidate.package.name = absl::AsciiStrToLower(
        candidate.package.inf.service
            ? candidate.package.inf.service->name
            : candidate.package.inf_name.substr(0, candidate.package.inf_name.size() - 4));
    const auto known = best.find(candidate.package.name);
    const bool better = known == best.end() || candidate.rank < known->second.rank ||
                        (candidate.rank == known->second.rank &&
                         VersionNumbers(candidate.package.inf.version) >
                             VersionNumbers(known->second.package.inf.version));
    if (better) best[candidate.package.name] = std::move(candidate);
  }
  std::size_t bytes = 0;
  for (auto& [name, candidate] : best) {
    RETURN_IF_ERROR(ReadFiles(supplies, &candidate.package, &bytes));
    choice.packages.push_back(std::move(candidate.package));
  }
  return choice;
}

}  // namespace godwit::convert::windows
