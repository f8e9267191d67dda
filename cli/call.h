// Calls of the services. The service is found by the package of the request message.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "cli/context.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::cli {

// How long a service that cannot be reached is tried again before the command gives up.
inline constexpr absl::Duration kRetryTime = absl::Seconds(5);
inline constexpr int kMostPages = 10000;

// "registry" for godwit.registry.v1.
template <typename Request>
std::string ServiceOf() {
  const std::vector<std::string> parts =
      absl::StrSplit(Request::descriptor()->file()->package(), '.');
  return parts[1];
}

// A stub for the service that takes `Request`.
template <typename Stub, typename Request>
absl::StatusOr<std::unique_ptr<Stub>> Connect(Context& context) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                   context.Channel(ServiceOf<Request>()));
  return std::make_unique<Stub>(channel);
}

// One call with its deadline. Reads and calls with a request id are repeated while the service
// cannot be reached, at most for `retry`.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Context& context,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request, absl::Duration retry = kRetryTime) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                   context.Channel(ServiceOf<Request>()));
  Stub stub(channel);
  Response response;
  const auto once = [&] {
    grpc::ClientContext call;
    rpc::SetTimeout(call, context.call_timeout());
    response.Clear();
    return rpc::FromGrpc((stub.*method)(&call, request, &response));
  };
  const std::string& name = Request::descriptor()->name();
  const bool repeatable = absl::StartsWith(name, "Get") || absl::StartsWith(name, "List") ||
                          Request::descriptor()->FindFieldByName("request_id") != nullptr;
  RETURN_IF_ERROR(context.Unreachable(
      ServiceOf<Request>(),
      repeatable && retry > absl::ZeroDuration() ? rpc::Retry(retry, once) : once()));
  return response;
}

// All pages of a list joined into one answer.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallAllPages(Context& context,
                                      grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                                      Request request) {
  request.set_page_size(500);
  Response all;
  for (int page = 0; page < kMostPages; ++page) {
    ASSIGN_OR_RETURN(Response answer, Call(context, method, request));
    std::string next = answer.next_page_token();
    answer.clear_next_page_token();
    all.MergeFrom(answer);
    if (next.empty()) return all;
    if (next == request.page_token())
      return absl::InternalError("the service gave the same page twice");
    request.set_page_token(std::move(next));
  }
  return absl::ResourceExhaustedError("the list is too long");
}

}  // namespace godwit::cli
