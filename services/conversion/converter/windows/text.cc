#include "services/conversion/converter/windows/text.h"

namespace godwit::convert::windows {
namespace {

constexpr char32_t kReplacement = 0xfffd;

bool HighSurrogate(char32_t c) { return c >= 0xd800 && c < 0xdc00; }
bool LowSurrogate(char32_t c) { return c >= 0xdc00 && c < 0xe000; }

void AppendUnit(char32_t unit, std::string* out) {
  out->push_back(static_cast<char>(unit & 0xff));
  out->push_back(static_cast<char>(unit >> 8 & 0xff));
}

}  // namespace

void AppendUtf8(char32_t c, std::string* out) {
  const auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | (c >> shift & 0x3f)));
  };
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xc0 | c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | c >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xf0 | c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

char32_t TakeUtf8(absl::string_view* text) {
  const auto lead = static_cast<unsigned char>(text->front());
  text->remove_prefix(1);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 && lead < 0xf5 ? 3 : lead >= 0xe0 ? 2 : 1;
  if (lead < 0xc2 || lead >= 0xf5 || text->size() < static_cast<std::size_t>(more)) {
    return kReplacement;
  }
  char32_t c = lead & (0x3f >> more);
  for (int i = 0; i < more; ++i) {
    const auto next = static_cast<unsigned char>((*text)[static_cast<std::size_t>(i)]);
    if ((next & 0xc0) != 0x80) return kReplacement;
    c = c << 6 | (next & 0x3f);
  }
  text->remove_prefix(static_cast<std::size_t>(more));
  const bool overlong = (more == 2 && c < 0x800) || (more == 3 && c < 0x10000);
  if (overlong || c > 0x10ffff || HighSurrogate(c) || LowSurrogate(c)) return kReplacement;
  return c;
}

std::string FromUtf16(absl::string_view bytes) {
  std::string out;
  const auto unit = [&](std::size_t at) -> char32_t {
    return static_cast<unsigned char>(bytes[at]) |
           static_cast<char32_t>(static_cast<unsigned char>(bytes[at + 1])) << 8;
  };
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) {
    char32_t c = unit(at);
    if (c == 0) break;
    if (HighSurrogate(c) && at + 3 < bytes.size() && LowSurrogate(unit(at + 2))) {
      c = 0x10000 + ((c - 0xd800) << 10) + (unit(at + 2) - 0xdc00);
      at += 2;
    } else if (HighSurrogate(c) || LowSurrogate(c)) {
      c = kReplacement;
    }
    AppendUtf8(c, &out);
  }
  return out;
}

std::string ToUtf16(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char32_t c = TakeUtf8(&text);
    if (c >= 0x10000) {
      AppendUnit(0xd800 + ((c - 0x10000) >> 10), &out);
      AppendUnit(0xdc00 + ((c - 0x10000) & 0x3ff), &out);
    } else {
      AppendUnit(c, &out);
    }
  }
  return out;
}

}  // namespace godwit::convert::windows
