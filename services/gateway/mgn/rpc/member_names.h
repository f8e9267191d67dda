// Refusals of the services in the words of the MGN API.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace godwit::gateway::mgn {

// Field of a request here and the member of the operation it came from. The first that fits counts;
// a field fits with what follows it, too ("wave.tags" takes "wave.tags[key]").
using MemberNames = std::vector<std::pair<absl::string_view, absl::string_view>>;

// An INVALID_ARGUMENT with its field violations renamed, in its text as well; anything else as it
// is.
absl::Status InMembers(const absl::Status& status, const MemberNames& names);

}  // namespace godwit::gateway::mgn
