// Partition tables and EFI system partitions as the usual programs write them.
#include "agent/boot/partitions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/e2e/agent/boot/part_copy.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::FieldsAre;

constexpr std::uint64_t kMiB = 1 << 20, kDisk = 300 * kMiB;

class PartitionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(disk_).close();
    ASSERT_EQ(truncate(disk_.c_str(), kDisk), 0);
  }
  void Shell(const std::string& command) { RunProgram({"/bin/sh", "-ec", command}, log_); }
  void Partition(const std::string& script) {
    Shell(absl::StrCat("printf '", script, "' | sfdisk -q ", disk_));
  }
  std::vector<struct Partition> Find() {
    Picker picker({DiskToPick(disk_, kDisk)}, {});
    const auto found = FindPartitions(picker, 0);
    EXPECT_OK(found);
    return found.value_or(std::vector<struct Partition>{});
  }

  TempDir dir_;
  const std::string disk_ = dir_ / "disk", log_ = dir_ / "log";
};

TEST_F(PartitionsTest, NoTable) { EXPECT_THAT(Find(), ElementsAre()); }

TEST_F(PartitionsTest, Gpt) {
  Partition("label: gpt\\n,64M,U\\n,100M,L\\n,,S\\n");
  EXPECT_THAT(Find(), ElementsAre(FieldsAre(kMiB, 64 * kMiB), FieldsAre(65 * kMiB, 100 * kMiB),
                                  FieldsAre(165 * kMiB, 134 * kMiB)));
}

TEST_F(PartitionsTest, LogicalOnes) {
  Partition("label: dos\\n,50M,L\\n,,E\\n,60M,L\\n,70M,S\\n,,L\\n");
  EXPECT_THAT(Find(), ElementsAre(FieldsAre(kMiB, 50 * kMiB), FieldsAre(51 * kMiB, 249 * kMiB),
                                  FieldsAre(52 * kMiB, 60 * kMiB), FieldsAre(113 * kMiB, 70 * kMiB),
                                  FieldsAre(184 * kMiB, 116 * kMiB)));
}

// A chain of extended tables that leads back to itself ends.
TEST_F(PartitionsTest, ARingOfTables) {
  Partition("label: dos\\n,50M,E\\n,20M,L\\n,10M,L\\n");
  // The second table's link: entry 1 of the table of the second logical partition.
  Shell(absl::StrCat("printf '\\000\\000\\000\\000\\005\\000\\000\\000\\001\\000\\000\\000",
                     "\\001\\000\\000\\000' | dd of=", disk_,
                     " bs=1 conv=notrunc seek=$((22*1048576+462)) 2>&1"));
  EXPECT_LE(Find().size(), 130u);
}

// Not mounted, in a partition, FAT16 and FAT32.
TEST_F(PartitionsTest, AnEfiSystemPartitionIsThereWhole) {
  for (const std::string fat : {"16", "32"}) {
    Partition("label: gpt\\n,100M,U\\n,,L\\n");
    const std::string at = absl::StrCat(disk_, "@@1M");
    Shell(absl::StrCat("mkfs.vfat -F ", fat, fat == "32" ? " -s 1" : "", " --offset 2048 ", disk_,
                       " 102400 && mmd -i ", at, " ::EFI ::EFI/debian && ", "seq 1 200000 > ",
                       dir_ / "file", " && for i in 1 2 3 4 5; do mcopy -i ", at, " ",
                       dir_ / "file", " ::EFI/debian/file$i; done && mdel -i ", at,
                       " ::EFI/debian/file2"));
    const FirstPlan plan = PlanFirstBlocks({DiskToPick(disk_, kDisk)}, {.disks = {""}}, {});
    EXPECT_THAT(plan.left_out, ElementsAre());
    const std::string copy = dir_ / "copy";
    const std::uint64_t copied = CopyPlanned(DiskToPick(disk_, kDisk), plan, copy);
    EXPECT_LT(copied, 20 * kMiB);
    Shell(absl::StrCat("mdir -i ", copy, "@@1M -/ -b :: > ", dir_ / "names", " && mdir -i ", at,
                       " -/ -b :: | cmp - ", dir_ / "names"));
    for (const char* file : {"1", "3", "4", "5"})
      Shell(absl::StrCat("mtype -i ", copy, "@@1M ::EFI/debian/file", file, " | cmp - ",
                         dir_ / "file"));
  }
}

TEST_F(PartitionsTest, AFatVolumeOfDataIsNot) {
  Partition("label: gpt\\n,,L\\n");
  Shell(absl::StrCat("mkfs.vfat -F 32 -s 8 --offset 2048 ", disk_, " 302080"));
  const auto bytes = [&] {
    const FirstPlan plan = PlanFirstBlocks({DiskToPick(disk_, kDisk)}, {.disks = {""}}, {});
    return CopyPlanned(DiskToPick(disk_, kDisk), plan, dir_ / "copy");
  };
  EXPECT_LT(bytes(), 20 * kMiB);
  const auto use = [&](std::uint64_t clusters) {  // behind 32 reserved sectors and three entries
    Shell(absl::StrCat("head -c ", 4 * clusters, " /dev/zero | tr '\\0' '\\017' | dd of=", disk_,
                       " conv=notrunc oflag=seek_bytes seek=$((1048576+32*512+12)) 2>&1"));
  };
  use(20000);
  EXPECT_GT(bytes(), 78 * kMiB);
  use(66000);
  EXPECT_LT(bytes(), 20 * kMiB);
}

}  // namespace
}  // namespace godwit::agent
