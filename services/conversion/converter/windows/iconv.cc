// The three functions of iconv that libhivex calls, for the conversions it needs: UTF-8 from and to
// Latin-1 and UTF-16LE. The C library's own load modules from the machine at run time, which a
// static program in the appliance does not have; linked before it, these are taken instead.
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "services/conversion/converter/windows/text.h"

namespace {

using godwit::convert::windows::AppendUtf8;
using godwit::convert::windows::FromUtf16;
using godwit::convert::windows::TakeUtf8;
using godwit::convert::windows::ToUtf16;

enum class Coding { kNone, kUtf8, kLatin1, kUtf16 };

Coding Named(const char* name) {
  if (std::strcmp(name, "UTF-8") == 0) return Coding::kUtf8;
  if (std::strcmp(name, "LATIN1") == 0) return Coding::kLatin1;
  if (std::strcmp(name, "UTF-16LE") == 0) return Coding::kUtf16;
  return Coding::kNone;
}

struct Converter {
  Coding from, to;
};

// False when the target has no such character.
bool Convert(const Converter& converter, absl::string_view in, std::string* out) {
  if (converter.from == Coding::kUtf16) {
    *out = FromUtf16(in);
    return true;
  }
  if (converter.from == Coding::kLatin1) {
    for (const char c : in) AppendUtf8(static_cast<unsigned char>(c), out);
    return true;
  }
  if (converter.to == Coding::kUtf16) {
    *out = ToUtf16(in);
    return true;
  }
  while (!in.empty()) {
    const char32_t c = TakeUtf8(&in);
    if (c > 0xff) return false;
    out->push_back(static_cast<char>(c));
  }
  return true;
}

}  // namespace

extern "C" {

void* iconv_open(const char* to, const char* from) {
  const Converter converter{Named(from), Named(to)};
  const bool known = converter.from != Coding::kNone && converter.to != Coding::kNone &&
                     (converter.from == Coding::kUtf8) != (converter.to == Coding::kUtf8);
  if (!known) {
    errno = EINVAL;
    return reinterpret_cast<void*>(-1);
  }
  return new Converter(converter);
}

int iconv_close(void* handle) {
  delete static_cast<Converter*>(handle);
  return 0;
}

// All or nothing: libhivex hands whole strings over, and asks again with more room after E2BIG.
std::size_t iconv(void* handle, char** in, std::size_t* in_left, char** out,
                  std::size_t* out_left) {
  constexpr auto kFailed = static_cast<std::size_t>(-1);
  if (in == nullptr || *in == nullptr) return 0;
  std::string text;
  if (!Convert(*static_cast<Converter*>(handle), absl::string_view(*in, *in_left), &text)) {
    errno = EILSEQ;
    return kFailed;
  }
  if (text.size() > *out_left) {
    errno = E2BIG;
    return kFailed;
  }
  std::memcpy(*out, text.data(), text.size());
  *in += *in_left;
  *in_left = 0;
  *out += text.size();
  *out_left -= text.size();
  return 0;
}
}
