// Texts of Windows: UTF-16 in registry values, UTF-8 here.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace godwit::convert::windows {

// UTF-16LE -> UTF-8, up to the first zero. What is no text (half a surrogate pair, an odd byte)
// becomes U+FFFD or is left out.
std::string FromUtf16(absl::string_view bytes);
// UTF-8 -> UTF-16LE without a zero at the end.
std::string ToUtf16(absl::string_view text);

// Appends one character.
void AppendUtf8(char32_t c, std::string* out);
// Takes one character off the front of `text`, which is not empty; U+FFFD for what is no UTF-8.
char32_t TakeUtf8(absl::string_view* text);

}  // namespace godwit::convert::windows
