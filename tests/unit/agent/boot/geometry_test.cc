// The geometry of file systems, from superblocks made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/boot/ext_geometry.h"
#include "agent/boot/xfs_geometry.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

void PutLittle(std::string* bytes, std::size_t at, std::uint64_t number, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) (*bytes)[at + i] = static_cast<char>(number >> (8 * i));
}
void PutBig(std::string* bytes, std::size_t at, std::uint64_t number, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    (*bytes)[at + i] = static_cast<char>(number >> (8 * (size - 1 - i)));
}

// 20 TiB of 4 KiB blocks, 64bit.
std::string LargeExt() {
  std::string block(1024, '\0');
  PutLittle(&block, 0x00, 1u << 31, 4);
  PutLittle(&block, 0x04, 0x40000000, 4);
  PutLittle(&block, 0x150, 1, 4);
  PutLittle(&block, 0x18, 2, 4);
  PutLittle(&block, 0x20, 32768, 4);
  PutLittle(&block, 0x28, 8192, 4);
  PutLittle(&block, 0x38, 0xef53, 2);
  PutLittle(&block, 0x4c, 1, 4);
  PutLittle(&block, 0x54, 11, 4);
  PutLittle(&block, 0x58, 256, 2);
  PutLittle(&block, 0x5c, 0x4, 4);
  PutLittle(&block, 0x60, 0x2c0, 4);  // extents, 64bit, flex_bg
  PutLittle(&block, 0x64, 0x1, 4);    // sparse_super
  PutLittle(&block, 0xe0, 8, 4);
  PutLittle(&block, 0xfe, 64, 2);
  return block;
}

TEST(ExtGeometry, OfMoreThan32BitsOfBlocks) {
  ASSERT_OK_AND_ASSIGN(const ExtGeometry geometry, ParseExtGeometry(LargeExt()));
  EXPECT_EQ(geometry.block_bytes, 4096u);
  EXPECT_EQ(geometry.blocks, 0x140000000u);
  EXPECT_EQ(geometry.descriptor_bytes, 64u);
  EXPECT_EQ(geometry.inode_bytes, 256u);
  EXPECT_EQ(geometry.journal, 8u);
  EXPECT_EQ(geometry.orphan_file, 0u);
  EXPECT_EQ(geometry.groups(), 163840u);
  EXPECT_EQ(geometry.descriptor_blocks(), 2560u);
  EXPECT_EQ(geometry.DescriptorBlock(0), 1u);
  EXPECT_EQ(geometry.DescriptorBlock(2559), 2560u);
}

TEST(ExtGeometry, CopiesOfTheSuperblock) {
  ASSERT_OK_AND_ASSIGN(ExtGeometry geometry, ParseExtGeometry(LargeExt()));
  for (const std::uint64_t group : {0, 1, 3, 5, 7, 9, 25, 49, 27, 125, 343, 78125})
    EXPECT_TRUE(geometry.HasSuper(group)) << group;
  for (const std::uint64_t group : {2, 4, 6, 8, 15, 21, 45, 100})
    EXPECT_FALSE(geometry.HasSuper(group));
  geometry.sparse = false;
  EXPECT_TRUE(geometry.HasSuper(2));
  geometry.sparse2 = true;
  geometry.backups[0] = 1;
  geometry.backups[1] = 163839;
  EXPECT_TRUE(geometry.HasSuper(163839));
  EXPECT_FALSE(geometry.HasSuper(3));
}

// With meta_bg the descriptors of 64 groups lie in the first of them, behind a superblock if it has
// one.
TEST(ExtGeometry, DescriptorsInTheirGroups) {
  std::string block = LargeExt();
  PutLittle(&block, 0x60, 0x2d0, 4);
  PutLittle(&block, 0x104, 2, 4);
  ASSERT_OK_AND_ASSIGN(const ExtGeometry geometry, ParseExtGeometry(block));
  EXPECT_EQ(geometry.DescriptorBlock(1), 2u);
  EXPECT_EQ(geometry.DescriptorBlock(2), 2u * 64 * 32768);
  PutLittle(&block, 0x104, 0, 4);
  ASSERT_OK_AND_ASSIGN(const ExtGeometry all, ParseExtGeometry(block));
  EXPECT_EQ(all.DescriptorBlock(0), 1u);
}

TEST(ExtGeometry, SmallBlocksBeginBehindTheSuperblock) {
  std::string block = LargeExt();
  PutLittle(&block, 0x18, 0, 4);
  PutLittle(&block, 0x14, 1, 4);
  PutLittle(&block, 0x20, 8192, 4);
  ASSERT_OK_AND_ASSIGN(const ExtGeometry geometry, ParseExtGeometry(block));
  EXPECT_EQ(geometry.DescriptorBlock(0), 2u);
  EXPECT_EQ(geometry.groups(), (0x140000000u - 1 + 8191) / 8192);
}

TEST(ExtGeometry, WhatCannotBeIsRefused) {
  const auto with = [](std::size_t at, std::uint64_t number, std::size_t size) {
    std::string block = LargeExt();
    PutLittle(&block, at, number, size);
    return ParseExtGeometry(block).status().code();
  };
  constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(with(0x38, 0xef52, 2), kRefused);
  EXPECT_EQ(with(0x18, 7, 4), kRefused);
  EXPECT_EQ(with(0x20, 0, 4), kRefused);
  EXPECT_EQ(with(0x28, 0, 4), kRefused);
  EXPECT_EQ(with(0x28, 32769, 4), kRefused);
  EXPECT_EQ(with(0x58, 0, 2), kRefused);
  EXPECT_EQ(with(0x58, 8192, 2), kRefused);
  EXPECT_EQ(with(0x58, 192, 2), kRefused);
  EXPECT_EQ(with(0xfe, 32, 2), kRefused);
  EXPECT_EQ(with(0x150, 0x20000, 4), kRefused);
  EXPECT_EQ(ParseExtGeometry(LargeExt().substr(0, 1023)).status().code(), kRefused);
}

// Four groups of 65,000 blocks of 4 KiB, which are numbered as if each had 65,536.
std::string SomeXfs() {
  std::string block(512, '\0');
  PutBig(&block, 0, 0x58465342, 4);
  PutBig(&block, 4, 4096, 4);
  PutBig(&block, 8, 4 * 65000 - 100, 8);
  PutBig(&block, 56, 128, 8);
  PutBig(&block, 64, 129, 8);
  PutBig(&block, 72, 130, 8);
  PutBig(&block, 84, 65000, 4);
  PutBig(&block, 88, 4, 4);
  PutBig(&block, 100, 0xb4b5, 2);
  PutBig(&block, 104, 512, 2);
  PutBig(&block, 123, 3, 1);
  PutBig(&block, 124, 16, 1);
  return block;
}

TEST(XfsGeometry, InodesAndBlocksOfSeveralGroups) {
  ASSERT_OK_AND_ASSIGN(const XfsGeometry geometry, ParseXfsGeometry(SomeXfs()));
  EXPECT_TRUE(geometry.v5);
  EXPECT_EQ(geometry.root, 128u);
  EXPECT_EQ(geometry.cluster_blocks(), 4u);
  ASSERT_OK_AND_ASSIGN(const auto root, geometry.InodePlace(131));
  EXPECT_EQ(root.block, 16u);
  EXPECT_EQ(root.offset, 3u * 512);
  EXPECT_EQ(root.cluster, 16u);
  // Group 2, block 1003 of it, the last inode there.
  ASSERT_OK_AND_ASSIGN(const auto far, geometry.InodePlace((2u << 19) + 1003 * 8 + 7));
  EXPECT_EQ(far.block, 2u * 65000 + 1003);
  EXPECT_EQ(far.offset, 7u * 512);
  EXPECT_EQ(far.cluster, 2u * 65000 + 1000);
  EXPECT_EQ(geometry.BlockPlace((3u << 16) + 5).value_or(0), 3u * 65000 + 5);
}

TEST(XfsGeometry, ThereIsNothingBehindTheEnd) {
  ASSERT_OK_AND_ASSIGN(const XfsGeometry geometry, ParseXfsGeometry(SomeXfs()));
  EXPECT_FALSE(geometry.InodePlace(4u << 19).ok());
  EXPECT_FALSE(geometry.InodePlace(65000 * 8).ok());
  EXPECT_FALSE(geometry.InodePlace((3u << 19) + 64900 * 8).ok());
  EXPECT_FALSE(geometry.InodePlace(UINT64_MAX).ok());
  EXPECT_FALSE(geometry.BlockPlace(65000).ok());
  EXPECT_FALSE(geometry.BlockPlace(UINT64_MAX).ok());
}

TEST(XfsGeometry, WhatCannotBeIsRefused) {
  const auto with = [](std::size_t at, std::uint64_t number, std::size_t size) {
    std::string block = SomeXfs();
    PutBig(&block, at, number, size);
    return ParseXfsGeometry(block).status().code();
  };
  constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(with(0, 0x58465343, 4), kRefused);
  EXPECT_EQ(with(4, 0, 4), kRefused);
  EXPECT_EQ(with(4, 5000, 4), kRefused);
  EXPECT_EQ(with(84, 0, 4), kRefused);
  EXPECT_EQ(with(84, 70000, 4), kRefused);
  EXPECT_EQ(with(88, 0, 4), kRefused);
  EXPECT_EQ(with(88, 5, 4), kRefused);
  EXPECT_EQ(with(104, 1024, 2), kRefused);
  EXPECT_EQ(with(123, 35, 1), kRefused);
  EXPECT_EQ(with(124, 200, 1), kRefused);
}

}  // namespace
}  // namespace godwit::agent
