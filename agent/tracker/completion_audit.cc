#include "agent/tracker/completion_audit.h"

#include <algorithm>
#include <cstdio>

#include "absl/time/clock.h"
#include "services/common/base/file.h"

namespace godwit::agent {
namespace {

// A completion is counted at the latest so long after the kernel took it off what is under way.
constexpr absl::Duration kExactPatience = absl::Milliseconds(50);
constexpr absl::Duration kExactPause = absl::Microseconds(500);
// On a disk that is hardly ever at rest one of so many looks is lucky.
constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr int kLooks = 20;

}  // namespace

std::optional<std::int64_t> CompletionAudit::AtMostMissing() {
  // In this order: what ends or begins in between can only make the difference larger.
  const std::uint64_t completed = meta_->completed;
  const absl::StatusOr<std::string> text = ReadFile(in_flight_, 256);
  const std::uint64_t issued = meta_->issued;
  long long reads = 0, writes = 0;
  if (!text.ok() || std::sscanf(text->c_str(), "%lld %lld", &reads, &writes) != 2) {
    return std::nullopt;
  }
  const auto difference = static_cast<std::int64_t>(issued - completed);
  if (writes == 0 && (meta_->offset_known == 0 || difference < meta_->offset)) {
    meta_->offset = difference;
    meta_->offset_known = 1;
  }
  if (meta_->offset_known == 0) return std::nullopt;
  return difference - writes - meta_->offset;
}

bool CompletionAudit::Missed(bool exact) {
  while (true) {
    const std::optional<std::int64_t> missing = AtMostMissing();
    if (!missing || *missing <= 0) {
      looks_ = 0;
      return false;
    }
    const absl::Time now = absl::Now();
    if (looks_ == 0) since_ = now;
    smallest_ = looks_ == 0 ? *missing : std::min(smallest_, *missing);
    ++looks_;
    if (looks_ >= kLooks && now - since_ >= (exact ? kExactPatience : kPatience)) {
      looks_ = 0;
      meta_->offset = meta_->offset + smallest_;  // known from now on
      return true;
    }
    if (!exact) return false;
    absl::SleepFor(kExactPause);
  }
}

}  // namespace godwit::agent
