// Regular expressions of the tables, compiled once. Linear in the text (RE2): texts are hostile.
#pragma once

#include "absl/strings/string_view.h"

namespace godwit::gateway::mgn {

// Whether the whole of `text` matches. `pattern` is a text of the tables (its address is the key).
bool FullMatch(const char* pattern, absl::string_view text);

}  // namespace godwit::gateway::mgn
