#include "services/jobs/targets/vga_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kColumns = 80;

char Shown(char c) {
  if (c == '\0') return ' ';
  return c < 0x20 || c > 0x7e ? '?' : c;
}

}  // namespace

std::string VgaText(absl::string_view memory) {
  memory = memory.substr(0, kVgaTextBytes);
  std::string out;
  for (std::size_t at = 0; at < memory.size(); at += 2 * kColumns) {
    std::string line;
    for (std::size_t i = at; i < std::min(at + 2 * kColumns, memory.size()); i += 2)
      line.push_back(Shown(memory[i]));
    line.erase(line.find_last_not_of(' ') + 1);
    if (line.empty()) continue;
    absl::StrAppend(&out, line, line.size() < kColumns ? "\n" : "");
  }
  return out;
}

}  // namespace godwit::jobs
