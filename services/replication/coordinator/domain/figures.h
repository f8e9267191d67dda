// Lists of small numbers that are kept as text: "10:612 4:120".
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace godwit::coordinator {

using Figures = std::vector<std::pair<int, std::int64_t>>;

std::string ToText(const Figures& figures);
// What cannot be read is left out.
Figures ToFigures(const std::string& text);

}  // namespace godwit::coordinator
