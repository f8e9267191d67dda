// Records of journals and layer tables.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "services/replication/worker/store/journal.h"

namespace godwit::fuzz {

// Makes the checksum of every whole record from `at` on right.
inline void MendRecords(std::vector<std::uint8_t>* bytes, std::size_t at = 0) {
  for (; at + store::kPlacedBytes <= bytes->size(); at += store::kPlacedBytes) {
    store::Placed placed;
    std::memcpy(&placed.block, bytes->data() + at, 8);
    std::memcpy(&placed.offset, bytes->data() + at + 8, 8);
    std::memcpy(placed.digest.bytes.data(), bytes->data() + at + 16, 16);
    store::EncodePlaced(placed, bytes->data() + at);
  }
}

}  // namespace godwit::fuzz
