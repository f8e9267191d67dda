#include "services/replication/coordinator/domain/figures.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace godwit::coordinator {

std::string ToText(const Figures& figures) {
  std::string out;
  for (const auto& [key, value] : figures)
    absl::StrAppend(&out, out.empty() ? "" : " ", key, ":", value);
  return out;
}

Figures ToFigures(const std::string& text) {
  Figures out;
  for (const absl::string_view part : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(part, ':');
    int key = 0;
    std::int64_t value = 0;
    if (absl::SimpleAtoi(pair.first, &key) && absl::SimpleAtoi(pair.second, &value))
      out.emplace_back(key, value);
  }
  return out;
}

}  // namespace godwit::coordinator
