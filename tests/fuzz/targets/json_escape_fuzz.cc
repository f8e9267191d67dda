// Text of peers in log lines: the escaped form is printable or UTF-8, and cannot end the JSON
// string.
#include <cstddef>
#include <cstdint>
#include <string>

#include "services/common/base/check.h"
#include "services/common/base/json_log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string escaped = godwit::JsonEscape(text);
  bool after_backslash = false;
  for (const char c : escaped) {
    GODWIT_CHECK(static_cast<unsigned char>(c) >= 0x20);
    if (!after_backslash) GODWIT_CHECK(c != '"');
    after_backslash = !after_backslash && c == '\\';
  }
  GODWIT_CHECK(!after_backslash);
  return 0;
}
