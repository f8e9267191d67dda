// Errors of the MGN API as its clients know them: status, name, body. docs/gateway.md has the list.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

struct ApiError {
  int status = 500;
  std::string code;                                 // of x-amzn-ErrorType and the body's "code"
  std::string message;                              // for people
  nlohmann::json extra = nlohmann::json::object();  // further members of the body
  absl::Duration retry_after = absl::ZeroDuration();

  // {"message", "code", ...}
  std::string Body() const;
};

struct FieldFault {
  std::string name;  // "filters.sourceServerIDs[3]"
  std::string message;
};

// Reasons of ValidationException.
inline constexpr char kCannotParse[] = "cannotParse";
inline constexpr char kFieldValidationFailed[] = "fieldValidationFailed";
inline constexpr char kOther[] = "other";

ApiError ValidationError(absl::string_view reason, std::string message,
                         const std::vector<FieldFault>& fields = {});
// No operation has this method and path (404).
ApiError UnknownOperation(absl::string_view method, absl::string_view path);
// The operation exists; Godwit does not do it (501). `why` says what to do instead.
ApiError NotImplemented(absl::string_view operation, absl::string_view why);
// 403 of the signature check.
ApiError Forbidden(absl::string_view code, std::string message);
ApiError ResourceNotFound(absl::string_view type, absl::string_view id);
ApiError Conflict(std::string message);

// What a status of a service means to a client of this operation. An error that the operation does
// not declare and that clients could therefore not tell becomes the nearest declared one.
ApiError FromStatus(const absl::Status& status, const Operation& operation);

}  // namespace godwit::gateway::mgn
