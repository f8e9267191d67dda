// What becomes of disks that come, go and change.
#include "agent/discovery/disk_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

FoundDisk Disk(const std::string& name, const std::string& identity, std::uint64_t bytes = kGiB) {
  return {.name = name,
          .device_name = "/dev/" + name,
          .size_bytes = bytes,
          .identity = identity,
          .weak_identity = identity == name || identity.starts_with("gpt-"),
          .sequence = "1",
          .is_boot_disk = name == "sda"};
}

class DiskPlanTest : public ::testing::Test {
 protected:
  void Choose(const std::vector<FoundDisk>& disks) {
    for (const FoundDisk& disk : disks)
      installation_.disk_ids.push_back(DiskId(installation_.disk_seed, disk));
  }
  // The plan is saved, as the agent does it.
  DiskPlan Plan() {
    DiskPlan plan = PlanDisks(installation_, found_);
    installation_.disks = plan.known;
    return plan;
  }
  absl::StatusOr<std::string> Forget(const std::string& disk) {
    return ForgetDisk(disk, found_, &installation_);
  }

  Installation installation_{.disk_seed = "seed", .all_disks = true};
  std::vector<FoundDisk> found_{Disk("sda", "A"), Disk("sdb", "B")};
};

TEST_F(DiskPlanTest, TheFirstSizeHasTheIdThatItAlwaysHad) {
  const DiskPlan plan = Plan();
  ASSERT_EQ(plan.disks.size(), 2u);
  EXPECT_EQ(plan.disks[0].disk_id, DiskId("seed", found_[0]));
  EXPECT_EQ(plan.disks[1].disk_id, DiskId("seed", found_[1]));
  EXPECT_TRUE(plan.disks[0].replicated && plan.disks[1].replicated);
  EXPECT_EQ(plan.problem, "");
  EXPECT_EQ(PlanDisks(installation_, found_).known, plan.known) << "nothing to note again";
}

TEST_F(DiskPlanTest, EverySizeGetsAnIdThatWasNeverUsed) {
  const std::string first = Plan().disks[1].disk_id;
  std::vector<std::string> ids = {first};
  for (const std::uint64_t bytes : {2 * kGiB, kGiB, 2 * kGiB}) {
    found_[1].size_bytes = bytes;
    const DiskPlan plan = Plan();
    ASSERT_EQ(plan.resized.size(), 1u);
    EXPECT_EQ(plan.resized[0].old_id, ids.back());
    EXPECT_EQ(plan.resized[0].new_bytes, bytes);
    EXPECT_THAT(plan.stale_marks, ElementsAre(ids.back()));
    EXPECT_THAT(ids, ::testing::Not(::testing::Contains(plan.disks[1].disk_id)));
    EXPECT_TRUE(plan.disks[1].replicated);
    EXPECT_EQ(plan.disks[0].disk_id, DiskId("seed", found_[0])) << "the other one stays";
    ids.push_back(plan.disks[1].disk_id);
    EXPECT_TRUE(Plan().resized.empty()) << "once";
  }
}

TEST_F(DiskPlanTest, ANewDiskIsReplicatedWhenAllDisksAre) {
  Plan();
  found_.push_back(Disk("sdc", "C"));
  found_.push_back(Disk("sdd", "D", 1000 * 512));
  const DiskPlan plan = Plan();
  EXPECT_TRUE(plan.disks[2].replicated);
  EXPECT_FALSE(plan.disks[3].replicated);
  EXPECT_EQ(plan.disks[3].reason, "smaller than 1 MiB");
}

TEST_F(DiskPlanTest, AReadOnlyDiskIsNotTakenAndOneThatBecomesReadOnlyStays) {
  found_.push_back(Disk("sdc", "C"));
  found_[2].read_only = true;
  installation_.all_disks = false;
  Choose(found_);
  EXPECT_EQ(Plan().disks[2].reason, "read-only");
  found_[1].read_only = true;
  const DiskPlan plan = Plan();
  EXPECT_TRUE(plan.disks[1].replicated);
  EXPECT_EQ(plan.problem, "");
}

TEST_F(DiskPlanTest, ANewDiskIsOnlyShownWhenDisksWereChosen) {
  installation_.all_disks = false;
  Choose(found_);
  Plan();
  found_.push_back(Disk("sdc", "C"));
  const DiskPlan plan = Plan();
  EXPECT_FALSE(plan.disks[2].replicated);
  EXPECT_EQ(plan.disks[2].reason, "not chosen");
  EXPECT_EQ(plan.problem, "");
}

TEST_F(DiskPlanTest, ADiskThatIsGoneStopsReplicationUntilItIsBack) {
  Plan();
  const FoundDisk gone = found_[1];
  found_.pop_back();
  const DiskPlan without = Plan();
  ASSERT_EQ(without.disks.size(), 2u);
  EXPECT_TRUE(without.disks[1].missing && without.disks[1].replicated);
  EXPECT_EQ(without.disks[1].disk.size_bytes, gone.size_bytes);
  EXPECT_THAT(without.problem, HasSubstr("/dev/sdb"));
  EXPECT_THAT(without.problem, HasSubstr("godwit-agent disks forget"));
  found_.push_back(gone);
  const DiskPlan back = Plan();
  EXPECT_EQ(back.problem, "");
  EXPECT_EQ(back.disks[1].disk_id, without.disks[1].disk_id);
  EXPECT_THAT(back.stale_marks, ElementsAre(back.disks[1].disk_id))
      << "nobody saw what was written to it meanwhile";
  EXPECT_TRUE(Plan().stale_marks.empty());
}

TEST_F(DiskPlanTest, AnotherDeviceOfTheSameDiskIsNotTrusted) {
  Plan();
  found_[1].sequence = "2";
  EXPECT_THAT(Plan().stale_marks, ElementsAre(DiskId("seed", found_[1])));
}

TEST_F(DiskPlanTest, AForgottenDiskComesBackAsAnotherOne) {
  const std::string id = Plan().disks[1].disk_id;
  const FoundDisk gone = found_[1];
  EXPECT_THAT(Forget("sdb"), StatusIs(absl::StatusCode::kFailedPrecondition, "it is there"));
  found_.pop_back();
  Plan();
  EXPECT_THAT(Forget("sda"), StatusIs(absl::StatusCode::kFailedPrecondition, "boot disk"));
  EXPECT_THAT(Forget("sdx"), StatusIs(absl::StatusCode::kNotFound, "sdx"));
  ASSERT_OK_AND_ASSIGN(const std::string forgotten, Forget("/dev/sdb"));
  EXPECT_EQ(forgotten, id);
  EXPECT_THAT(Forget("/dev/sdb"), StatusIs(absl::StatusCode::kNotFound, "sdb"));
  const DiskPlan after = Plan();
  EXPECT_EQ(after.problem, "");
  EXPECT_EQ(after.disks.size(), 1u);
  found_.push_back(gone);
  const DiskPlan back = Plan();
  EXPECT_TRUE(back.disks[1].replicated);
  EXPECT_NE(back.disks[1].disk_id, id);
}

TEST_F(DiskPlanTest, AForgottenDiskWasChosenNoLonger) {
  installation_.all_disks = false;
  Choose(found_);
  Plan();
  const FoundDisk gone = found_[1];
  found_.pop_back();
  ASSERT_OK(Forget(DiskId("seed", gone)));
  found_.push_back(gone);
  EXPECT_EQ(Plan().disks[1].reason, "not chosen");
}

TEST_F(DiskPlanTest, TheLastDiskIsNotForgotten) {
  found_ = {Disk("sdb", "B")};
  Plan();
  found_.clear();
  EXPECT_THAT(Forget("sdb"), StatusIs(absl::StatusCode::kFailedPrecondition, "no disk"));
}

TEST_F(DiskPlanTest, OfAnInstallationWithoutNotesAMissingDiskIsKnownByItsId) {
  installation_.all_disks = false;
  Choose({found_[0], found_[1]});
  const FoundDisk gone = found_[1];
  found_.pop_back();
  const std::string id = DiskId("seed", gone);
  EXPECT_THAT(Plan().problem, HasSubstr(id));
  ASSERT_OK(Forget(id));
  EXPECT_EQ(Plan().problem, "");
}

TEST_F(DiskPlanTest, ACopyOfADiskIsNotTakenForIt) {
  Plan();
  FoundDisk copy = found_[1];
  copy.name = "sdaa";
  copy.device_name = "/dev/sdaa";
  found_.insert(found_.begin() + 1, copy);
  const DiskPlan plan = Plan();
  ASSERT_EQ(plan.disks.size(), 3u);
  EXPECT_FALSE(plan.disks[1].replicated);
  EXPECT_THAT(plan.disks[1].reason, HasSubstr("/dev/sdb"));
  EXPECT_TRUE(plan.disks[2].replicated);
  EXPECT_NE(plan.disks[1].disk_id, plan.disks[2].disk_id);
  EXPECT_TRUE(plan.resized.empty());
}

TEST_F(DiskPlanTest, APartitionTableDoesNotMakeAnotherDisk) {
  found_[1] = Disk("sdb", "sdb");
  const std::string id = Plan().disks[1].disk_id;
  found_[1] = Disk("sdb", "gpt-1");
  DiskPlan plan = Plan();
  EXPECT_EQ(plan.problem, "");
  EXPECT_EQ(plan.disks[1].disk_id, id);
  EXPECT_EQ(plan.disks.size(), 2u);
  // Found by it under another name.
  found_[1] = Disk("sdc", "gpt-1");
  plan = Plan();
  EXPECT_EQ(plan.problem, "");
  EXPECT_EQ(plan.disks[1].disk_id, id);
  // A disk with a serial number is another one.
  found_[1] = Disk("sdc", "SERIAL");
  EXPECT_THAT(Plan().problem, HasSubstr("/dev/sdc"));
}

}  // namespace
}  // namespace godwit::agent
