#include "services/gateway/mgn/rpc/call.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"

namespace godwit::gateway::mgn {

Call::Call(const Services& services, const Operation& operation, Place place, Asker asker,
           absl::Duration time)
    : services_(services),
      operation_(operation),
      place_(std::move(place)),
      asker_(std::move(asker)),
      deadline_(SteadyNow() + time) {}

std::string Call::ChangeId(absl::string_view part) const {
  return UuidOf(absl::StrCat(asker_.change_seed, "\n", operation_.name, "\n", part));
}

void Call::Prepare(grpc::ClientContext& context) const {
  context.set_deadline(absl::ToChronoTime(absl::Now() + (deadline_ - SteadyNow())));
  context.AddMetadata("x-godwit-on-behalf-of", asker_.principal);
  context.AddMetadata("x-godwit-client-address", asker_.address);
  context.AddMetadata("x-godwit-request-id", asker_.request_id);
  if (!asker_.profile.empty()) {
    context.AddMetadata("x-godwit-lifecycle-profile", asker_.profile);
  }
}

}  // namespace godwit::gateway::mgn
