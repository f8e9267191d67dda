#include "services/gateway/mgn/face.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/gateway/http/percent.h"
#include "services/gateway/mgn/router.h"
#include "services/gateway/mgn/rpc/asking.h"
#include "services/gateway/mgn/validate.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

const char* ProfileWord(sigv4::Profile profile) {
  switch (profile) {
    case sigv4::Profile::kStrict:
      return "strict";
    case sigv4::Profile::kLenient:
      return "lenient";
    case sigv4::Profile::kDefault:
      return "";
  }
  return "";
}

// The seed of request ids of changes: the same for a request that the client's SDK sends again
// (botocore and all other SDKs keep the invocation id, and sign anew), and for one that somebody
// else sends again as it was.
std::string ChangeSeed(const Request& request, const sigv4::Caller& caller) {
  const absl::string_view invocation = request.head.Header("amz-sdk-invocation-id");
  const absl::string_view once =
      invocation.empty() ? request.head.Header("authorization") : invocation;
  return absl::StrCat(caller.key_id, "\n", once, "\n", request.head.target, "\n",
                      sigv4::HexSha256(request.body));
}

// Another account of MGN's global view: an installation is one account.
std::optional<ApiError> CheckAccount(const json& input, const std::string& account) {
  if (!input.contains("accountID") || input["accountID"] == account) return std::nullopt;
  const std::string text = absl::StrCat("this installation is account ", account);
  return ValidationError(kFieldValidationFailed, absl::StrCat("accountID: ", text),
                         {{"accountID", text}});
}

}  // namespace

// What the log line tells.
struct Face::Trace {
  std::string operation = "-", key_id, principal;
};

Face::Face(FaceOptions options, const Services& services, sigv4::KeySource& keys, Clock& clock)
    : options_(std::move(options)), services_(services), keys_(keys), clock_(clock) {}

Response Face::Answer(const Request& request, Trace& trace) {
  const std::optional<Route> route = FindRoute(request.head.method, request.head.path());
  if (route) trace.operation = std::string(route->operation->name);
  // First of all, so that nobody without a key learns what there is.
  const auto verified = sigv4::Verify(request, options_.rules, clock_.Now(), keys_, request.id);
  if (const auto* refusal = std::get_if<sigv4::Refusal>(&verified)) {
    ApiError error = Forbidden(refusal->code, refusal->message);
    error.status = refusal->status;
    return ErrorResponse(error, request.id);
  }
  const sigv4::Caller& caller = std::get<sigv4::Caller>(verified);
  trace.key_id = caller.key_id;
  trace.principal = caller.principal;
  if (!route) {
    return ErrorResponse(UnknownOperation(request.head.method, request.head.path()), request.id);
  }
  const Operation& operation = *route->operation;
  const auto valid = Validate(
      operation,
      {.body = request.body, .uri = route->uri, .query = *ParseQuery(request.head.query())});
  if (const auto* error = std::get_if<ApiError>(&valid)) return ErrorResponse(*error, request.id);
  const json& input = std::get<json>(valid);
  if (const auto error = CheckAccount(input, options_.account)) {
    return ErrorResponse(*error, request.id);
  }
  const auto authorization = sigv4::ParseAuthorization(request.head.Header("authorization"));
  const absl::StatusOr<json> output = RunOperation(
      services_, operation, {.region = authorization->region, .account = options_.account},
      {.principal = caller.principal,
       .address = request.client_address,
       .profile = ProfileWord(caller.profile),
       .request_id = request.id,
       .change_seed = ChangeSeed(request, caller)},
      options_.time, input);
  if (!output.ok()) {
    if (output.status().code() == absl::StatusCode::kInternal ||
        output.status().code() == absl::StatusCode::kUnknown) {
      Log(Severity::kError, "operation failed",
          {{"request_id", request.id},
           {"operation", trace.operation},
           {"error", output.status().ToString()}});
    }
    return ErrorResponse(FromStatus(output.status(), operation), request.id);
  }
  Response response{.status = operation.success, .headers = {{"x-amzn-RequestId", request.id}}};
  if (operation.success != 204) {
    response.body = operation.output == nullptr
                        ? "{}"
                        : output->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return response;
}

Response Face::Handle(const Request& request) {
  const absl::Duration start = clock_.Monotonic();
  Trace trace;
  Response response = Answer(request, trace);
  const absl::Duration took = clock_.Monotonic() - start;
  {
    absl::MutexLock lock(&mutex_);
    OperationCount& count = counts_[{trace.operation, response.status}];
    ++count.count;
    count.seconds += absl::ToDoubleSeconds(took);
  }
  std::string error;
  for (const auto& [name, value] : response.headers) {
    if (name == "x-amzn-ErrorType") error = value;
  }
  Log(Severity::kInfo, "request",
      {{"request_id", request.id},
       {"operation", trace.operation},
       {"path", std::string(request.head.path().substr(0, 256))},
       {"status", absl::StrCat(response.status)},
       {"error", error},
       {"principal", trace.principal},
       {"access_key", trace.key_id},
       {"client", request.client_address},
       {"took_ms", absl::StrCat(absl::ToInt64Milliseconds(took))}});
  return response;
}

std::map<std::pair<std::string, int>, OperationCount> Face::counts() const {
  absl::MutexLock lock(&mutex_);
  return counts_;
}

Response ErrorResponse(const ApiError& error, const std::string& request_id) {
  Response response{.status = error.status,
                    .headers = {{"x-amzn-RequestId", request_id}, {"x-amzn-ErrorType", error.code}},
                    .body = error.Body()};
  if (error.retry_after > absl::ZeroDuration()) {
    response.headers.emplace_back("Retry-After",
                                  absl::StrCat(absl::ToInt64Seconds(error.retry_after)));
  }
  return response;
}

Response FaultResponse(const HeadFault& fault, const std::string& request_id) {
  const char* code = fault.status == 413   ? "RequestEntityTooLargeException"
                     : fault.status == 408 ? "RequestTimeoutException"
                     : fault.status == 503 ? "ServiceUnavailableException"
                                           : "MalformedHttpRequestException";
  return ErrorResponse({.status = fault.status, .code = code, .message = fault.message},
                       request_id);
}

Response OverloadedResponse(const std::string& request_id) {
  return ErrorResponse({.status = 503,
                        .code = "ServiceUnavailableException",
                        .message = "too many requests wait; try again",
                        .retry_after = absl::Seconds(1)},
                       request_id);
}

}  // namespace godwit::gateway::mgn
