// Compression of block payloads. The codec is chosen per frame: what does not shrink travels as it
// is.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/common/block/block.h"

namespace godwit::block {

// zstd with a reused context. Not thread-safe: one for each thread.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(const Compressor&) = delete;
  // True and the compressed bytes in *out when that saves at least an eighth; false: send it as it
  // is. `level` as of zstd
  // (-5, -1, 1, 3, ...).
  bool Compress(int level, Bytes plain, std::string* out);

 private:
  void* context_;
};

// Not thread-safe: one for each thread.
class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(const Decompressor&) = delete;
  // Exactly `plain.size()` bytes must come out, else DATA_LOSS.
  absl::Status Decompress(Bytes packed, MutableBytes plain);

 private:
  void* context_;
};

}  // namespace godwit::block
