// Where inodes lie, against what the file systems' own tools say of the same image.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/boot/inode_map.h"
#include "agent/boot/xfs_geometry.h"
#include "tests/e2e/agent/boot/part_copy.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::TempDir;

constexpr std::uint64_t kBytes = std::uint64_t{3} << 30;

class GeometryTest : public ::testing::Test {
 protected:
  void Make(const std::string& command) {
    std::ofstream(image_).close();
    ASSERT_EQ(truncate(image_.c_str(), kBytes), 0);
    Shell(absl::StrCat(command, " ", image_));
  }
  std::string Shell(const std::string& command) {
    return RunProgram({"/bin/sh", "-ec", command}, log_);
  }
  // The number behind `word`.
  static std::uint64_t NumberBehind(const std::string& text, const std::string& word) {
    const std::size_t at = text.find(word);
    std::uint64_t number = 0;
    for (std::size_t i = at + word.size(); at != std::string::npos && std::isdigit(text[i]); ++i)
      number = number * 10 + static_cast<std::uint64_t>(text[i] - '0');
    return number;
  }
  // The inode is at the byte, and it took few other blocks to find it.
  void ExpectAt(bool ext, std::uint64_t inode, std::uint64_t byte) {
    Picker picker({DiskToPick(image_, kBytes)}, {});
    const Volume volume = PartOf(0, 0, kBytes);
    ASSERT_OK_AND_ASSIGN(const auto map,
                         ext ? MakeExtMap(picker, volume) : MakeXfsMap(picker, volume));
    map->PickInode(inode, 0).IgnoreError();  // most are not in use
    bool there = false;
    std::uint64_t count = 0;
    for (const FirstRun& run : picker.Take()) {
      const std::uint64_t block = byte / block::kBlockSize;
      there = there || (run.first <= block && block < run.first + run.count);
      count += run.count;
    }
    EXPECT_TRUE(there) << inode << " at byte " << byte;
    EXPECT_LE(count, 4u);
  }
  void CompareExt(const std::string& options, std::uint64_t block_bytes) {
    Make(absl::StrCat("mkfs.ext4 -q -E lazy_itable_init=1 ", options));
    for (const std::uint64_t inode : {2, 11, 12, 8192, 8193, 20001, 70000, 100001}) {
      const std::string said = Shell(absl::StrCat("debugfs -R 'imap <", inode, ">' ", image_));
      const std::uint64_t block = NumberBehind(said, "located at block ");
      ASSERT_GT(block, 0u) << said;
      ExpectAt(true, inode, block * block_bytes);
    }
  }

  TempDir dir_;
  const std::string image_ = dir_ / "image", log_ = dir_ / "log";
};

TEST_F(GeometryTest, Ext4) { CompareExt("-O 64bit,flex_bg", 4096); }
TEST_F(GeometryTest, Ext4WithoutFlexibleGroups) { CompareExt("-O ^64bit,^flex_bg -I 128", 4096); }
TEST_F(GeometryTest, Ext4WithMetaGroups) { CompareExt("-b 1024 -O ^resize_inode,meta_bg", 1024); }

TEST_F(GeometryTest, Xfs) {
  for (const std::string options : {"-d agcount=5", "-d agcount=7 -b size=1024"}) {
    Make(absl::StrCat("mkfs.xfs -q -f ", options));
    std::ifstream in(image_, std::ios::binary);
    std::string superblock(512, '\0');
    in.read(superblock.data(), 512);
    ASSERT_OK_AND_ASSIGN(const XfsGeometry geometry, ParseXfsGeometry(superblock));
    const int bits = geometry.group_block_bits + geometry.inodes_per_block_bits;
    for (const std::uint64_t inode :
         {geometry.root, geometry.root + 5, (std::uint64_t{1} << bits) + 12345,
          (std::uint64_t{4} << bits) + 777, (std::uint64_t{4} << bits) + 100001}) {
      const std::string said =
          Shell(absl::StrCat("xfs_db -r -c 'convert inode ", inode, " daddr' ", image_));
      const std::uint64_t sector = NumberBehind(said, "(");
      ASSERT_GT(sector, 0u) << said;
      ExpectAt(false, inode, sector * 512);
    }
  }
}

}  // namespace
}  // namespace godwit::agent
