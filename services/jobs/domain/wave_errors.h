// An error about another wave run: who is in the way.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace godwit::jobs {

// ALREADY_EXISTS: this run ("wr-...") of the same wave has not ended.
absl::Status RunUnderWay(absl::string_view run_id);
// The id in such an error; empty in others.
std::string WaveRunOf(const absl::Status& status);

}  // namespace godwit::jobs
