// Disks as a made-up sysfs shows them.
#include "agent/discovery/disks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "agent/discovery/disk_plan.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::TempDir;

class DisksTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, const std::string& dev, const std::string& sectors,
           const std::string& sequence, const std::string& serial) {
    const std::string folder = dir_ / ("sys/block/" + name);
    ASSERT_OK(MakeDirs(folder));
    ASSERT_OK(WriteFileAtomically(folder + "/dev", dev + "\n"));
    ASSERT_OK(WriteFileAtomically(folder + "/size", sectors + "\n"));
    ASSERT_OK(WriteFileAtomically(folder + "/ro", "0\n"));
    ASSERT_OK(WriteFileAtomically(folder + "/diskseq", sequence + "\n"));
    if (!serial.empty()) ASSERT_OK(WriteFileAtomically(folder + "/serial", serial + "\n"));
  }
  std::vector<FoundDisk> Find(const std::vector<std::string>& named = {}) {
    const auto found =
        FindDisks(dir_ / "sys", "30 1 8:1 / / rw - ext4 /dev/sdb1 rw\n", dir_ / "dev", named);
    EXPECT_OK(found);
    return found.ok() ? *found : std::vector<FoundDisk>();
  }
  TempDir dir_;
};

TEST_F(DisksTest, ASerialNumberIsAnIdentityThatStaysANameIsNot) {
  Add("sda", "8:0", "4096", "5", "QM00001");
  Add("sdb", "8:16", "2048", "6", "");
  Add("sr0", "11:0", "100", "7", "x");
  Add("sdc", "8:32", "0", "8", "no medium");
  const auto found = Find();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].device_name, dir_ / "dev/sda");
  EXPECT_EQ(found[0].identity, "QM00001");
  EXPECT_FALSE(found[0].weak_identity);
  EXPECT_EQ(found[0].sequence, "5");
  EXPECT_EQ(found[0].size_bytes, 4096u * 512);
  EXPECT_EQ(found[1].identity, "sdb");
  EXPECT_TRUE(found[1].weak_identity);
}

TEST_F(DisksTest, AFingerprintChangesWithWhatMatters) {
  Add("sda", "8:0", "4096", "5", "QM00001");
  Add("loop0", "7:0", "4096", "9", "");
  const auto before = DiskFingerprints(dir_ / "sys");
  EXPECT_EQ(before.size(), 1u);
  EXPECT_EQ(DiskFingerprints(dir_ / "sys"), before);
  Add("sda", "8:0", "8192", "5", "QM00001");
  const auto resized = DiskFingerprints(dir_ / "sys");
  EXPECT_NE(resized, before);
  Add("sda", "8:0", "8192", "6", "QM00001");
  EXPECT_NE(DiskFingerprints(dir_ / "sys"), resized) << "another device in its place";
  Add("sdb", "8:16", "8192", "7", "");
  EXPECT_EQ(DiskFingerprints(dir_ / "sys").size(), 2u);
}

// Devices that are built of others are replicated only when somebody says so.
TEST_F(DisksTest, SomeKindsAreFoundOnlyWhenTheyAreNamed) {
  Add("sda", "8:0", "4096", "5", "QM00001");
  Add("zram1", "253:1", "4096", "6", "");
  Add("dm-3", "252:3", "4096", "7", "");
  ASSERT_OK(MakeDirs(dir_ / "sys/block/dm-3/dm"));
  ASSERT_OK(WriteFileAtomically(dir_ / "sys/block/dm-3/dm/uuid", "LVM-abcdef\n"));
  Add("sr0", "11:0", "100", "7", "x");
  const auto names = [&](const std::vector<std::string>& named) {
    std::vector<std::string> names;
    for (const FoundDisk& disk : Find(named)) names.push_back(disk.name);
    return names;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(names({}), ElementsAre("sda"));
  EXPECT_THAT(names({"zram1"}), ElementsAre("sda", "zram1"));
  EXPECT_THAT(names({dir_ / "dev/dm-3", "sr0"}), ElementsAre("sda", "dm-3"));

  // What was named once is found again by its identity, whatever its name is then.
  const auto found = Find({"zram1", "dm-3"});
  Installation installation{.disk_seed = "seed"};
  for (const FoundDisk& disk : found) {
    if (disk.name != "sda") installation.disk_ids.push_back(DiskId("seed", disk));
  }
  const DiskPlan plan = PlanDisks(installation, found);
  EXPECT_EQ(plan.problem, "");
  installation.disks = plan.known;
  ASSERT_EQ(installation.disks.size(), 2u);
  std::filesystem::rename(dir_ / "sys/block/dm-3", dir_ / "sys/block/dm-8");
  Add("dm-3", "252:9", "4096", "9", "");  // another volume has the name now
  const auto later = Find(NamedDevices(installation));
  EXPECT_THAT(later, ElementsAre(::testing::Field(&FoundDisk::name, "sda"),
                                 ::testing::Field(&FoundDisk::name, "dm-8"),
                                 ::testing::Field(&FoundDisk::name, "zram1")));
  EXPECT_EQ(PlanDisks(installation, later).problem, "");
  EXPECT_EQ(DiskFingerprints(dir_ / "sys").size(), 1u);
  EXPECT_EQ(DiskFingerprints(dir_ / "sys", /*all=*/true).size(), 4u);
}

}  // namespace
}  // namespace godwit::agent
