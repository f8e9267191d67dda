#include "services/conversion/converter/modules.h"

#include <map>
#include <set>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace godwit::convert {

std::string ModuleName(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  name = name.substr(0, name.find(".ko"));
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

std::vector<std::string> ModuleClosure(const std::string& modules_dep,
                                       const std::vector<std::string>& wanted) {
  std::map<std::string, std::string> paths;                      // name -> path
  std::map<std::string, std::vector<std::string>> dependencies;  // path -> paths
  for (const absl::string_view line : absl::StrSplit(modules_dep, '\n', absl::SkipEmpty())) {
    const std::size_t colon = line.find(':');
    if (colon == absl::string_view::npos) continue;
    const std::string path(line.substr(0, colon));
    // Paths of files: nothing that leaves the folder.
    if (path.empty() || path[0] == '/' || path.find("..") != std::string::npos) continue;
    paths[ModuleName(path)] = path;
    dependencies[path] = absl::StrSplit(line.substr(colon + 1), ' ', absl::SkipEmpty());
  }
  std::vector<std::string> closure;
  std::set<std::string> seen;
  // Depth first without recursion: a guest may say that modules depend on each other as deep as it
  // likes.
  struct Visit {
    const std::string* path;
    const std::vector<std::string>* below;
    std::size_t next;
  };
  std::vector<Visit> visits;
  const auto enter = [&](const std::string& path) {
    const auto known = dependencies.find(path);
    if (known == dependencies.end() || !seen.insert(path).second) return;
    visits.push_back({&known->first, &known->second, 0});
  };
  for (const std::string& name : wanted) {
    const auto found = paths.find(ModuleName(name));
    if (found != paths.end()) enter(found->second);
    while (!visits.empty()) {
      Visit& visit = visits.back();
      if (visit.next < visit.below->size()) {
        enter((*visit.below)[visit.next++]);
      } else {
        closure.push_back(*visit.path);
        visits.pop_back();
      }
    }
  }
  return closure;
}

}  // namespace godwit::convert
