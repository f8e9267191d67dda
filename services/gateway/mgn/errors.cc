#include "services/gateway/mgn/errors.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/rpc/serve.h"

namespace godwit::gateway::mgn {
namespace {

using nlohmann::json;

constexpr std::size_t kMostMessage = 4096;

// The first resource named in `text`: "... sourceServers/s-... ..." -> {"SourceServer", "s-..."};
// empty when there is none.
std::pair<std::string, std::string> Resource(absl::string_view text) {
  constexpr std::pair<absl::string_view, absl::string_view> kTypes[] = {
      {"sourceServers/", "SourceServer"},
      {"jobs/", "Job"},
      {"applications/", "Application"},
      {"waves/", "Wave"},
      {"launchTemplates/", "LaunchConfigurationTemplate"},
      {"replicationTemplates/", "ReplicationConfigurationTemplate"},
      {"connectors/", "Connector"},
      {"imports/", "Import"},
      {"exports/", "Export"}};
  for (const auto& [prefix, type] : kTypes) {
    const std::size_t at = text.find(prefix);
    if (at == absl::string_view::npos) continue;
    absl::string_view id = text.substr(at + prefix.size());
    id = id.substr(0, id.find_first_of("/: "));
    const bool job = prefix == "jobs/" && absl::StartsWith(id, "job-");
    return {std::string(type), job ? absl::StrCat("mgn", id) : std::string(id)};
  }
  return {};
}

// A value of the metadata; empty when there is none.
std::string Fact(const rpc::ErrorInfo& info, absl::string_view wanted) {
  for (const auto& [key, value] : info.metadata) {
    if (key == wanted) return value;
  }
  return "";
}

// What the refusal is about: metadata "server", else the one its text names.
std::pair<std::string, std::string> ResourceOf(const absl::Status& status,
                                               const rpc::ErrorInfo& info) {
  const std::string server = Fact(info, "server");
  return Resource(server.empty() ? absl::string_view(status.message()) : server);
}

void PutResource(const absl::Status& status, const rpc::ErrorInfo& info, json& out) {
  const auto [type, id] = ResourceOf(status, info);
  if (id.empty()) return;
  out["resourceType"] = type;
  out["resourceId"] = id;
}

ApiError Make(int status, absl::string_view code, absl::string_view message) {
  return {.status = status,
          .code = std::string(code),
          .message = std::string(message.substr(0, kMostMessage))};
}

std::string Text(const absl::Status& status, const rpc::ErrorInfo& info) {
  std::string text(status.message());
  for (const auto& [key, value] : info.metadata) {
    if (key == "helpful_call" && !value.empty()) absl::StrAppend(&text, " (try ", value, ")");
  }
  return text;
}

ApiError Refusal(const absl::Status& status, const rpc::ErrorInfo& info,
                 const Operation& operation) {
  // RetryDataReplication and a few others declare no conflict; theirs is a ValidationException.
  if ((operation.errors & kConflict) == 0 && (operation.errors & kValidation) != 0) {
    return ValidationError(kOther, Text(status, info));
  }
  ApiError error = Conflict(Text(status, info));
  const std::string quota = Fact(info, "quota_code");
  json detail = {{"message", error.message},
                 {"code", !quota.empty()        ? quota
                          : info.reason.empty() ? "CONFLICT"
                                                : info.reason}};
  PutResource(status, info, error.extra);
  PutResource(status, info, detail);
  // Of several servers, each that stands in the way.
  json list = json::array();
  for (const auto& [name, text] : info.field_violations) {
    const auto [type, id] = Resource(name);
    if (id.empty()) continue;
    list.push_back(
        {{"message", text}, {"code", detail["code"]}, {"resourceType", type}, {"resourceId", id}});
  }
  if (list.empty() && (detail.contains("resourceId") || !quota.empty())) list.push_back(detail);
  if (!list.empty()) error.extra["errors"] = std::move(list);
  return error;
}

ApiError QuotaExceeded(const absl::Status& status, const rpc::ErrorInfo& info) {
  ApiError error = Make(402, "ServiceQuotaExceededException", status.message());
  const std::string code = Fact(info, "quota_code");
  error.extra["serviceCode"] = "mgn";
  error.extra["quotaCode"] = code.empty() ? info.reason : code;
  std::int64_t value = 0;
  if (absl::SimpleAtoi(Fact(info, "quota_value"), &value)) error.extra["quotaValue"] = value;
  PutResource(status, info, error.extra);
  return error;
}

ApiError Exhausted(const absl::Status& status, const rpc::ErrorInfo& info,
                   const Operation& operation) {
  if (absl::StrContains(info.reason, "QUOTA")) {
    // Launches declare no quota error: theirs is a conflict.
    if ((operation.errors & kQuota) == 0) return Refusal(status, info, operation);
    return QuotaExceeded(status, info);
  }
  ApiError error = Make(429, "ThrottlingException", status.message());
  error.retry_after = std::max(info.retry_after, absl::Seconds(1));
  return error;
}

}  // namespace

std::string ApiError::Body() const {
  json body = extra;
  body["message"] = message;
  body["code"] = code;
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

ApiError ValidationError(absl::string_view reason, std::string message,
                         const std::vector<FieldFault>& fields) {
  ApiError error = Make(400, "ValidationException", message);
  error.extra["reason"] = std::string(reason);
  if (fields.empty()) return error;
  json list = json::array();
  for (const FieldFault& field : fields) {
    list.push_back({{"name", field.name}, {"message", field.message}});
  }
  error.extra["fieldList"] = std::move(list);
  return error;
}

ApiError UnknownOperation(absl::string_view method, absl::string_view path) {
  return Make(404, "UnknownOperationException",
              absl::StrCat("there is no operation ", method, " ", path.substr(0, 256)));
}

ApiError NotImplemented(absl::string_view operation, absl::string_view why) {
  return Make(501, "NotImplementedException", absl::StrCat(operation, ": ", why));
}

ApiError Forbidden(absl::string_view code, std::string message) { return Make(403, code, message); }

ApiError ResourceNotFound(absl::string_view type, absl::string_view id) {
  ApiError error = Make(404, "ResourceNotFoundException", absl::StrCat(id, " does not exist"));
  error.extra["resourceType"] = std::string(type);
  error.extra["resourceId"] = std::string(id);
  return error;
}

ApiError Conflict(std::string message) { return Make(409, "ConflictException", message); }

ApiError FromStatus(const absl::Status& status, const Operation& operation) {
  const rpc::ErrorInfo info = rpc::GetInfo(status);
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange: {
      std::vector<FieldFault> fields;
      for (const auto& [field, description] : info.field_violations) {
        fields.push_back({field, description});
      }
      return ValidationError(fields.empty() ? kOther : kFieldValidationFailed, Text(status, info),
                             fields);
    }
    case absl::StatusCode::kNotFound: {
      if ((operation.errors & kNotFound) == 0) return ValidationError(kOther, Text(status, info));
      const auto [type, id] = ResourceOf(status, info);
      return id.empty() ? Make(404, "ResourceNotFoundException", status.message())
                        : ResourceNotFound(type, id);
    }
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
      return Refusal(status, info, operation);
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return Make(403, "AccessDeniedException", status.message());
    case absl::StatusCode::kResourceExhausted:
      return Exhausted(status, info, operation);
    // A copy that stops answers CANCELLED to what it had not begun; ABORTED did nothing, and what
    // was in the way is gone the next time. Clients of AWS try again on 503, not on 409.
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded: {
      ApiError error = Make(503, "ServiceUnavailableException",
                            absl::IsCancelled(status) ? "the service is being restarted; try again"
                                                      : status.message());
      error.retry_after = std::max(info.retry_after, absl::Seconds(1));
      return error;
    }
    case absl::StatusCode::kUnimplemented:
      return NotImplemented(operation.name, status.message());
    default:
      return Make(500, "InternalServerException",
                  "internal error; the log of the gateway says more");
  }
}

}  // namespace godwit::gateway::mgn
