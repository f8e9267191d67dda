#include "services/common/block/codec.h"

#include <zstd.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"

namespace godwit::block {

Compressor::Compressor() : context_(ZSTD_createCCtx()) { GODWIT_CHECK(context_ != nullptr); }
Compressor::~Compressor() { ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(context_)); }

bool Compressor::Compress(int level, Bytes plain, std::string* out) {
  // The room is what must be saved: zstd gives up when it does not fit.
  out->resize(plain.size() - plain.size() / 8);
  const std::size_t size = ZSTD_compressCCtx(static_cast<ZSTD_CCtx*>(context_), out->data(),
                                             out->size(), plain.data(), plain.size(), level);
  if (ZSTD_isError(size)) return false;
  out->resize(size);
  return true;
}

Decompressor::Decompressor() : context_(ZSTD_createDCtx()) { GODWIT_CHECK(context_ != nullptr); }
Decompressor::~Decompressor() { ZSTD_freeDCtx(static_cast<ZSTD_DCtx*>(context_)); }

absl::Status Decompressor::Decompress(Bytes packed, MutableBytes plain) {
  const std::size_t size = ZSTD_decompressDCtx(static_cast<ZSTD_DCtx*>(context_), plain.data(),
                                               plain.size(), packed.data(), packed.size());
  if (ZSTD_isError(size)) {
    return absl::DataLossError(absl::StrCat("payload: zstd: ", ZSTD_getErrorName(size)));
  }
  if (size != plain.size()) {
    return absl::DataLossError(
        absl::StrCat("payload: ", size, " bytes after decompression, expected ", plain.size()));
  }
  return absl::OkStatus();
}

}  // namespace godwit::block
