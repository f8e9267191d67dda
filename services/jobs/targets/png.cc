#include "services/jobs/targets/png.h"

#include <zlib.h>

#include <cctype>

#include "absl/strings/match.h"

namespace godwit::jobs {
namespace {

constexpr absl::string_view kSignature("\x89PNG\r\n\x1a\n", 8);
constexpr std::uint32_t kMostSide = 8192;

void AddNumber(std::uint32_t number, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(number >> shift));
}

void AddChunk(absl::string_view type, absl::string_view data, std::string* out) {
  AddNumber(static_cast<std::uint32_t>(data.size()), out);
  const std::size_t begin = out->size();
  out->append(type.data(), type.size());
  out->append(data.data(), data.size());
  AddNumber(static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(out->data() + begin),
                                             static_cast<uInt>(out->size() - begin))),
            out);
}

// The next number of a pixmap's head; 0 when there is none or it is too big.
std::uint32_t TakeNumber(absl::string_view* text) {
  while (!text->empty() && std::isspace(static_cast<unsigned char>(text->front())))
    text->remove_prefix(1);
  std::uint32_t number = 0;
  while (!text->empty() && std::isdigit(static_cast<unsigned char>(text->front()))) {
    number = number * 10 + static_cast<std::uint32_t>(text->front() - '0');
    if (number > kMostSide) return 0;
    text->remove_prefix(1);
  }
  return number;
}

}  // namespace

bool IsPng(absl::string_view image) { return absl::StartsWith(image, kSignature); }

absl::StatusOr<std::string> PngFromPixmap(absl::string_view pixmap) {
  const auto wrong = absl::InvalidArgumentError("the screen is no portable pixmap");
  if (!absl::StartsWith(pixmap, "P6")) return wrong;
  pixmap.remove_prefix(2);
  const std::uint32_t width = TakeNumber(&pixmap), height = TakeNumber(&pixmap);
  if (width == 0 || height == 0 || TakeNumber(&pixmap) != 255 || pixmap.empty()) return wrong;
  pixmap.remove_prefix(1);  // one white space
  const std::size_t line = std::size_t{3} * width;
  if (pixmap.size() < line * height) return wrong;
  std::string rows;
  rows.reserve((line + 1) * height);
  for (std::uint32_t y = 0; y < height; ++y) {
    rows.push_back(0);  // no filter
    rows.append(pixmap.data() + y * line, line);
  }
  std::string packed(compressBound(rows.size()), '\0');
  uLongf size = packed.size();
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                reinterpret_cast<const Bytef*>(rows.data()), rows.size(), 6) != Z_OK) {
    return absl::InternalError("packing a screen failed");
  }
  packed.resize(size);
  std::string head;
  AddNumber(width, &head);
  AddNumber(height, &head);
  head.append("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB
  std::string out(kSignature);
  AddChunk("IHDR", head, &out);
  AddChunk("IDAT", packed, &out);
  AddChunk("IEND", "", &out);
  return out;
}

}  // namespace godwit::jobs
