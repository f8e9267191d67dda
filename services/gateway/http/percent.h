// Percent-encoding of URIs (RFC 3986). Pure.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace godwit::gateway {

// Bytes other than letters, digits, "-._~" and those of `keep` as %XX.
std::string PercentEncode(absl::string_view text, absl::string_view keep = "");
// Nothing when a "%" is not followed by two hex digits. "+" stays "+".
std::optional<std::string> PercentDecode(absl::string_view text);
// "a=1&b" as decoded pairs, in order. Nothing when an escape is malformed.
std::optional<std::vector<std::pair<std::string, std::string>>> ParseQuery(absl::string_view query);

}  // namespace godwit::gateway
