// One unary call of a peer: deadline, retries of what is worth it, the status as ours.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::jobs {

inline constexpr absl::Duration kCallTimeout = absl::Seconds(30);

// `call` gets a fresh context and gives the gRPC status. A peer that stops cuts calls off as
// CANCELLED: that is UNAVAILABLE to us, nobody here asked for it.
template <typename Call>
absl::Status CallPeer(absl::string_view method, const Call& call) {
  grpc::ClientContext context;
  rpc::SetTimeout(context, kCallTimeout);
  const absl::Status status = rpc::FromGrpc(call(context));
  if (absl::IsCancelled(status)) {
    return absl::UnavailableError(absl::StrCat(method, ": ", status.message()));
  }
  return Annotate(status, method);
}

}  // namespace godwit::jobs
