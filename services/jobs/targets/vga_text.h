// The text on a VGA screen, from the memory of its text mode.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace godwit::jobs {

// Where a PC keeps it, and how much there is: 80 columns, a character and its colours each. Systems
// scroll by moving the screen's start, so lines that have left the screen may still be there.
inline constexpr std::uint64_t kVgaTextAddress = 0xb8000;
inline constexpr std::size_t kVgaTextBytes = 32 << 10;

// Its lines that are not blank, without the spaces at their ends; what is not printable ASCII is
// '?'. A line that is full goes on in the next one. In a graphics mode this is nothing sensible.
std::string VgaText(absl::string_view memory);

}  // namespace godwit::jobs
