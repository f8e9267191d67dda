// Small conversions to statement parameters.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

template <typename T>
std::string Number(T value) {
  return absl::StrCat(static_cast<long long>(value));
}
inline std::string Bool(bool value) { return value ? "true" : "false"; }
inline pg::Param OrNull(const std::string& text) {
  return text.empty() ? pg::Param() : pg::Param(text);
}
inline pg::Param MicrosOrNull(const std::optional<absl::Time>& time) {
  return time ? pg::Param(pg::Micros(*time)) : pg::Param();
}

}  // namespace godwit::registry::storage
