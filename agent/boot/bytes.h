// Numbers in bytes from a disk. What is behind the end reads as 0.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace godwit::agent {

template <typename Number>
Number Little(absl::string_view bytes, std::size_t at) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof(Number) && at + i < bytes.size(); ++i)
    number |= static_cast<Number>(Number{static_cast<std::uint8_t>(bytes[at + i])} << (8 * i));
  return number;
}

template <typename Number>
Number Big(absl::string_view bytes, std::size_t at) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    const std::uint8_t byte =
        at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : std::uint8_t{0};
    number = static_cast<Number>(static_cast<std::uint64_t>(number) << 8 | byte);
  }
  return number;
}

}  // namespace godwit::agent
