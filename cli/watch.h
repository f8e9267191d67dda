// Streams of the services, read until they end, with reconnection.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/call.h"
#include "grpcpp/support/sync_stream.h"

namespace godwit::cli {

// Reads `method`'s stream until `see` says that it saw enough (false) or `deadline` of the
// context's monotonic clock is over. It is opened again when the service went away (kRetryTime
// without an answer is the end), with `request` as `see` left it. DEADLINE_EXCEEDED: the time is
// over.
template <typename Stub, typename Request, typename Response>
absl::Status Watch(Context& context,
                   std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
                       grpc::ClientContext*, const Request&),
                   const Request& request, absl::Duration deadline,
                   const std::function<bool(const Response&)>& see) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Stub> stub, (Connect<Stub, Request>(context)));
  absl::Duration heard = context.clock().Monotonic();
  while (true) {
    const absl::Duration left = deadline - context.clock().Monotonic();
    if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("the time is over");
    grpc::ClientContext call;
    // Streams have a deadline too; the longest is a day, then it is opened anew.
    rpc::SetTimeout(call, std::min(left, absl::Hours(24)));
    const auto reader = (stub.get()->*method)(&call, request);
    Response response;
    bool enough = false;
    while (!enough && reader->Read(&response)) {
      heard = context.clock().Monotonic();
      enough = !see(response);
    }
    if (enough) {
      call.TryCancel();
      (void)reader->Finish();
      return absl::OkStatus();
    }
    const absl::Status ended = rpc::FromGrpc(reader->Finish());
    const bool goes_on =
        ended.ok() || absl::IsUnavailable(ended) || absl::IsDeadlineExceeded(ended);
    if (!goes_on) return ended;
    if (absl::IsUnavailable(ended) && context.clock().Monotonic() - heard > kRetryTime * 6) {
      return context.Unreachable(ServiceOf<Request>(), ended);
    }
    if (deadline - context.clock().Monotonic() > absl::ZeroDuration())
      context.clock().Sleep(absl::Milliseconds(500));
  }
}

// Watch() of a stream of states: each message has a token (empty: it keeps the one before), and the
// stream is opened again with the last one, so that nothing comes twice and nothing is missed.
// Begins with the present states again when the service does not know the token any more.
template <typename Stub, typename Request, typename Response>
absl::Status WatchStates(Context& context,
                         std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
                             grpc::ClientContext*, const Request&),
                         Request request, absl::Duration deadline,
                         const std::string& (Response::*token)() const,
                         const std::function<bool(const Response&)>& see) {
  const std::function<bool(const Response&)> remember = [&](const Response& message) {
    if (!(message.*token)().empty()) request.set_since((message.*token)());
    return see(message);
  };
  while (true) {
    const absl::Status ended = Watch(context, method, request, deadline, remember);
    if (!absl::IsOutOfRange(ended) || request.since().empty()) return ended;
    request.clear_since();
  }
}

}  // namespace godwit::cli
