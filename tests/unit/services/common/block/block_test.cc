#include "services/common/block/block.h"

#include <gtest/gtest.h>

#include <vector>

#include "services/common/block/codec.h"
#include "services/common/block/hash.h"
#include "tests/support/status_matchers.h"

namespace godwit::block {
namespace {

TEST(Block, TheLastOneMayBeShort) {
  EXPECT_EQ(BlockCount(kBlockSize), 1u);
  EXPECT_EQ(BlockCount(kBlockSize + 512), 2u);
  EXPECT_EQ(BlockBytes(kBlockSize + 512, 0), kBlockSize);
  EXPECT_EQ(BlockBytes(kBlockSize + 512, 1), 512u);
  EXPECT_EQ(BlockBytes(kBlockSize + 512, 2), 0u);
  EXPECT_EQ(BlockBytes(kBlockSize, UINT64_MAX / kBlockSize), 0u);
}

TEST(Block, ZeroIsFoundWhereverTheOneBitHides) {
  std::vector<std::uint8_t> bytes(4096);
  EXPECT_TRUE(IsZero(bytes));
  for (const std::size_t at : {0u, 1u, 2047u, 4095u}) {
    bytes[at] = 1;
    EXPECT_FALSE(IsZero(bytes)) << at;
    bytes[at] = 0;
  }
}

TEST(Block, DigestsAreCanonical) {
  // XXH3-128 of no bytes with seed 0, as the xxHash specification's test vectors have it.
  const Digest empty = DigestOf({});
  EXPECT_EQ(empty.bytes[0], 0x99);
  EXPECT_EQ(empty.bytes[15], 0x7f);
  const std::vector<std::uint8_t> zeros(kBlockSize);
  EXPECT_EQ(ZeroDigest(), DigestOf(zeros));
  EXPECT_EQ(ZeroDigest(512), DigestOf(Bytes(zeros).first(512)));
}

TEST(Codec, RoundTripAndRefusals) {
  Compressor compressor;
  Decompressor decompressor;
  std::vector<std::uint8_t> plain(100000, 'a'), back(plain.size());
  std::string packed;
  ASSERT_TRUE(compressor.Compress(1, plain, &packed));
  EXPECT_LT(packed.size(), 1000u);
  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size());
  ASSERT_OK(decompressor.Decompress(bytes, back));
  EXPECT_EQ(plain, back);
  std::vector<std::uint8_t> longer(plain.size() + 1), shorter(plain.size() - 1);
  EXPECT_FALSE(decompressor.Decompress(bytes, longer).ok());
  EXPECT_FALSE(decompressor.Decompress(bytes, shorter).ok());
  EXPECT_FALSE(decompressor.Decompress(bytes.first(bytes.size() - 1), back).ok());
  std::uint64_t state = 1;
  for (auto& byte : plain)
    byte = static_cast<std::uint8_t>((state = state * 6364136223846793005u + 1) >> 56);
  EXPECT_FALSE(compressor.Compress(1, plain, &packed)) << "noise travels as it is";
}

}  // namespace
}  // namespace godwit::block
