// Block digests (XXH3-128) and payload checksums (XXH3-64). XXH3 finds accidents, not attacks:
// peers are authenticated by TLS.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

#include "services/common/block/block.h"

namespace godwit::block {

// XXH3-128 in canonical (big-endian) form.
struct Digest {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Digest&) const = default;
};

Digest DigestOf(Bytes bytes);
// Of `size` zero bytes, at most kBlockSize. Fast for kBlockSize.
Digest ZeroDigest(std::uint32_t size = kBlockSize);
std::uint64_t Checksum(Bytes bytes);

}  // namespace godwit::block
