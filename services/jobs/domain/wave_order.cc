#include "services/jobs/domain/wave_order.h"

#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace godwit::jobs {
namespace {

using ById = std::map<std::string, const GroupWish*>;

std::string NameOf(const GroupWish& wish) { return wish.name.empty() ? wish.id : wish.name; }

// Names of groups that wait for each other, from one of `open` round to itself: each of them waits
// for another one of them, so that following the waits must come back.
std::string Circle(const ById& groups, const std::set<std::string>& open) {
  std::vector<std::string> way;
  std::string at = *open.begin();
  std::set<std::string> seen;
  while (seen.insert(at).second) {
    way.push_back(at);
    for (const std::string& before : groups.at(at)->after) {
      if (!open.contains(before)) continue;
      at = before;
      break;
    }
  }
  std::vector<std::string> names;
  bool inside = false;
  for (const std::string& id : way) {
    inside = inside || id == at;
    if (inside) names.push_back(NameOf(*groups.at(id)));
  }
  names.push_back(names.front());
  return absl::StrJoin(names, " after ");
}

std::string Placement(const GroupWish& wish, const ById& groups) {
  std::vector<std::string> parts;
  if (wish.ordered) parts.push_back(absl::StrCat("order ", wish.order));
  std::vector<std::string> names;
  for (const std::string& id : wish.after) names.push_back(NameOf(*groups.at(id)));
  if (!names.empty()) parts.push_back(absl::StrCat("after ", absl::StrJoin(names, ", ")));
  return parts.empty() ? "by name" : absl::StrJoin(parts, ", ");
}

absl::Status CheckAfter(const GroupWish& wish, const ById& groups) {
  for (const std::string& before : wish.after) {
    if (before == wish.id) {
      return absl::InvalidArgumentError(absl::StrCat(NameOf(wish), " cannot come after itself"));
    }
    if (!groups.contains(before)) {
      return absl::InvalidArgumentError(absl::StrCat(
          NameOf(wish), " is to come after applications/", before, ", which is not in this wave"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<PlacedGroup>> OrderGroups(const std::vector<GroupWish>& wishes) {
  ById groups;
  for (const GroupWish& wish : wishes) groups[wish.id] = &wish;
  using Place = std::tuple<int, std::string, std::string>;
  std::set<Place> ready;
  std::map<std::string, std::set<std::string>> waits;           // id -> for whom
  std::map<std::string, std::vector<std::string>> followed_by;  // id -> who waits for it
  const auto place_of = [](const GroupWish& wish) {
    return Place{wish.order, NameOf(wish), wish.id};
  };
  for (const auto& [id, wish] : groups) {
    if (const absl::Status good = CheckAfter(*wish, groups); !good.ok()) return good;
    waits[id] = {wish->after.begin(), wish->after.end()};
    for (const std::string& before : waits[id]) followed_by[before].push_back(id);
    if (waits[id].empty()) ready.insert(place_of(*wish));
  }
  std::vector<PlacedGroup> out;
  while (!ready.empty()) {
    const std::string id = std::get<2>(*ready.begin());
    ready.erase(ready.begin());
    out.push_back({.id = id, .placement = Placement(*groups.at(id), groups)});
    for (const std::string& next : followed_by[id]) {
      waits[next].erase(id);
      if (waits[next].empty()) ready.insert(place_of(*groups.at(next)));
    }
  }
  if (out.size() == groups.size()) return out;
  std::set<std::string> open;
  for (const auto& [id, left] : waits) {
    if (!left.empty()) open.insert(id);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("applications wait for each other: ", Circle(groups, open)));
}

}  // namespace godwit::jobs
