#include "services/common/base/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/check.h"

namespace godwit {
namespace {

constexpr int kIdHexDigits = 17;

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string Hex(std::span<const std::uint8_t> bytes) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// FNV-1a, 64 bit, with a chosen start so that two of them give 128 bits.
std::uint64_t Fnv(absl::string_view text, std::uint64_t hash) {
  for (const char c : text) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace

void RandomBytes(std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = getrandom(out.data() + done, out.size() - done, 0);
    GODWIT_CHECK(got > 0);
    done += static_cast<std::size_t>(got);
  }
}

std::string NewId(absl::string_view prefix) {
  std::array<std::uint8_t, 9> bytes{};
  RandomBytes(bytes);
  return absl::StrCat(prefix, Hex(bytes).substr(0, kIdHexDigits));
}

std::string DerivedId(absl::string_view prefix, absl::string_view seed) {
  const std::uint64_t a = Fnv(seed, 0xcbf29ce484222325ULL);
  const std::uint64_t b = Fnv(seed, 0x9ae16a3b2f90404fULL ^ a);
  return absl::StrCat(prefix,
                      absl::StrCat(absl::Hex(a, absl::kZeroPad16), absl::Hex(b, absl::kZeroPad16))
                          .substr(0, kIdHexDigits));
}

std::string NewUuid() {
  std::array<std::uint8_t, 16> bytes{};
  RandomBytes(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  const std::string hex = Hex(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

absl::Status CheckId(absl::string_view field, absl::string_view prefix, absl::string_view id) {
  absl::string_view rest = id;
  if (absl::ConsumePrefix(&rest, prefix) && rest.size() == kIdHexDigits &&
      std::all_of(rest.begin(), rest.end(), IsHex)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": must be \"", prefix, "\" and 17 lower-case hex digits"));
}

absl::Status CheckUuid(absl::string_view field, absl::string_view id) {
  bool good = id.size() == 36;
  for (std::size_t i = 0; good && i < id.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    good = dash ? id[i] == '-' : IsHex(id[i]);
  }
  if (good && id[14] == '4') return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": must be a lower-case UUID of version 4"));
}

absl::StatusOr<std::string> ParseName(absl::string_view field, absl::string_view collection,
                                      absl::string_view prefix, absl::string_view name) {
  absl::string_view rest = name;
  if (!absl::ConsumePrefix(&rest, collection) || !absl::ConsumePrefix(&rest, "/") ||
      !CheckId(field, prefix, rest).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": must look like \"", collection, "/", prefix, "0123456789abcdef0\""));
  }
  return std::string(rest);
}

}  // namespace godwit
