// RETURN_IF_ERROR and ASSIGN_OR_RETURN for absl::Status and absl::StatusOr, and Annotate to add
// context once where it is known.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace godwit {

// The same status with "context: " before its message; OK stays OK. Payloads are kept.
inline absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status out(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload(
      [&out](absl::string_view type, const absl::Cord& payload) { out.SetPayload(type, payload); });
  return out;
}

namespace status_internal {
inline const absl::Status& ToStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& ToStatus(const absl::StatusOr<T>& value) {
  return value.status();
}
}  // namespace status_internal

}  // namespace godwit

#define GODWIT_CONCAT_INNER_(a, b) a##b
#define GODWIT_CONCAT_(a, b) GODWIT_CONCAT_INNER_(a, b)

#define RETURN_IF_ERROR(expression)                                                       \
  do {                                                                                    \
    const auto& godwit_status_ = (expression);                                            \
    if (!godwit_status_.ok()) return ::godwit::status_internal::ToStatus(godwit_status_); \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) \
  GODWIT_ASSIGN_OR_RETURN_(GODWIT_CONCAT_(godwit_value_, __LINE__), declaration, expression)
#define GODWIT_ASSIGN_OR_RETURN_(temporary, declaration, expression) \
  auto temporary = (expression);                                     \
  if (!temporary.ok()) return temporary.status();                    \
  declaration = *std::move(temporary)
