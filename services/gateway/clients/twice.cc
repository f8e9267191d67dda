#include "services/gateway/clients/twice.h"

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"

namespace godwit::gateway {
namespace {

// Until the channel knows that the connection is gone and gives the next one.
constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

bool OnlyReads(absl::string_view request) {
  return absl::StartsWith(request, "Get") || absl::StartsWith(request, "List");
}

bool AnotherMayAnswer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status) || absl::IsAborted(status) ||
         absl::IsUnknown(status);
}

absl::Status TryTwice(absl::Time deadline, const std::function<absl::Status()>& call) {
  absl::Status status = call();
  if (!AnotherMayAnswer(status) || SteadyNow() + kPause >= deadline) return status;
  absl::SleepFor(kPause);
  return call();
}

}  // namespace godwit::gateway
