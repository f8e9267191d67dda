#include "services/conversion/converter/initramfs_format.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kHeader = 110;
constexpr std::size_t kMaxEntries = 200000;
constexpr std::size_t kLz4Block = 8 << 20;

bool IsCpio(absl::string_view bytes) {
  return absl::StartsWith(bytes, "070701") || absl::StartsWith(bytes, "070702");
}

std::size_t Field(absl::string_view header, int index) {
  std::uint32_t value = 0;
  const auto at = static_cast<std::size_t>(6 + 8 * index);
  return absl::SimpleHexAtoi(header.substr(at, 8), &value) ? value : 0;
}

std::size_t Padded(std::size_t size) { return (size + 3) / 4 * 4; }

void Append32(std::uint32_t value, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8)
    out->push_back(static_cast<char>((value >> shift) & 0xff));
}

}  // namespace

InitramfsFormat FormatOf(absl::string_view image) {
  if (image.empty()) return InitramfsFormat::kEmpty;
  std::size_t at = 0;
  bool seen = false;
  for (std::size_t entries = 0; entries < kMaxEntries; ++entries) {
    // Zeros between archives.
    const std::size_t next = image.find_first_not_of('\0', at);
    if (next == absl::string_view::npos)
      return seen ? InitramfsFormat::kCpio : InitramfsFormat::kUnknown;
    at = next;
    const absl::string_view rest = image.substr(at);
    if (!IsCpio(rest) || rest.size() < kHeader) break;
    seen = true;
    const std::size_t size = Field(rest, 6), name = Field(rest, 11);
    const std::size_t whole = Padded(kHeader + name) + Padded(size);
    if (name == 0 || name > 4096 || whole > rest.size()) break;
    at += whole;
  }
  const absl::string_view rest = image.substr(at);
  // Magic numbers as in the kernel's lib/decompress.c.
  if (absl::StartsWith(rest, absl::string_view("\x02\x21\x4c\x18", 4)))
    return InitramfsFormat::kLz4;
  for (const absl::string_view magic :
       {absl::string_view("\x1f\x8b", 2), absl::string_view("\x1f\x9e", 2),
        absl::string_view("BZh", 3), absl::string_view("\x5d\x00", 2),
        absl::string_view("\xfd"
                          "7zXZ",
                          5),
        absl::string_view("\x89LZO", 4), absl::string_view("\x28\xb5\x2f\xfd", 4)}) {
    if (absl::StartsWith(rest, magic)) return InitramfsFormat::kCompressed;
  }
  return InitramfsFormat::kUnknown;
}

std::string Lz4Frame(absl::string_view archive) {
  std::string out("\x02\x21\x4c\x18", 4);
  for (std::size_t at = 0; at < archive.size(); at += kLz4Block) {
    const absl::string_view block = archive.substr(at, kLz4Block);
    // One sequence of literals alone: a token, then the length above 15 in bytes of 255.
    std::string packed;
    if (block.size() < 15) {
      packed.push_back(static_cast<char>(block.size() << 4));
    } else {
      packed.push_back(static_cast<char>(0xf0));
      std::size_t left = block.size() - 15;
      for (; left >= 255; left -= 255) packed.push_back(static_cast<char>(0xff));
      packed.push_back(static_cast<char>(left));
    }
    packed.append(block.data(), block.size());
    Append32(static_cast<std::uint32_t>(packed.size()), &out);
    out += packed;
  }
  return out;
}

}  // namespace godwit::convert
