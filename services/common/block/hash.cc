#include "services/common/block/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace godwit::block {

Digest DigestOf(Bytes bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Digest digest;
  std::memcpy(digest.bytes.data(), canonical.digest, sizeof canonical.digest);
  return digest;
}

Digest ZeroDigest(std::uint32_t size) {
  static const std::uint8_t zeros[kBlockSize] = {};
  static const Digest whole = DigestOf({zeros, kBlockSize});
  return size == kBlockSize ? whole : DigestOf({zeros, std::min(size, kBlockSize)});
}

std::uint64_t Checksum(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace godwit::block
