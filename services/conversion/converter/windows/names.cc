#include "services/conversion/converter/windows/names.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kMaxDepth = 32;

// What is there of the path, and the names that are not.
std::pair<std::string, std::vector<std::string>> Walk(const GuestRoot& root,
                                                      const std::string& path) {
  std::vector<std::string> parts = absl::StrSplit(path, '/', absl::SkipEmpty());
  std::string found;
  for (std::size_t i = 0; i < parts.size() && i < kMaxDepth; ++i) {
    const std::string prefix = found.empty() ? "" : found + "/";
    std::optional<std::string> name;
    if (root.Exists(prefix + parts[i])) name = parts[i];
    if (!name) {
      for (const std::string& entry : root.List(found.empty() ? "." : found)) {
        if (absl::EqualsIgnoreCase(entry, parts[i])) {
          name = entry;
          break;
        }
      }
    }
    if (!name) return {found, {parts.begin() + static_cast<std::ptrdiff_t>(i), parts.end()}};
    found = prefix + *name;
  }
  return {found, {}};
}

}  // namespace

std::optional<std::string> FindPath(const GuestRoot& root, const std::string& path) {
  auto [found, missing] = Walk(root, path);
  if (!missing.empty() || found.empty()) return std::nullopt;
  return found;
}

std::string PlaceFor(const GuestRoot& root, const std::string& path) {
  auto [found, missing] = Walk(root, path);
  for (const std::string& name : missing) absl::StrAppend(&found, found.empty() ? "" : "/", name);
  return found;
}

}  // namespace godwit::convert::windows
