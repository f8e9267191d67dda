// In which order the applications of a wave are done. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::jobs {

struct GroupWish {
  std::string id;    // "app-..."
  std::string name;  // for people and for the order among equals
  int order = 0;
  bool ordered = false;            // `order` was asked for
  std::vector<std::string> after;  // ids
};
struct PlacedGroup {
  std::string id;
  std::string placement;  // "by name", "order 2", "after Database"
};

// Lowest order first, equal ones by name and then id, and never before what a group comes after.
// INVALID_ARGUMENT: `after` names something else than another group of the wishes, or the groups
// wait for each other (the message goes round the circle).
absl::StatusOr<std::vector<PlacedGroup>> OrderGroups(const std::vector<GroupWish>& wishes);

}  // namespace godwit::jobs
