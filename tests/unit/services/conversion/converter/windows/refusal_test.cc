// Guests that are not converted, each with the reason and the remedy; nothing is written to them.
#include <gmock/gmock.h>

#include "tests/unit/services/conversion/converter/windows/windows_tree.h"

namespace godwit::convert::windows {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::WithSequence;
using ::testing::HasSubstr;

class Refusal : public WindowsTree {
 protected:
  // Refused with `reason`; the plan goes on and says it, too; nothing is written.
  void ExpectRefused(const std::string& reason, const std::string& message, Job job = {}) {
    const std::string before = Get(config_ + "SYSTEM");
    Outcome outcome, plan;
    EXPECT_THAT(Convert(&outcome, job), StatusIs(absl::StatusCode::kFailedPrecondition, message));
    EXPECT_THAT(FindingOf(outcome, reason), HasSubstr("BLOCKER"));
    EXPECT_EQ(outcome.changes.size(), 0u);
    EXPECT_TRUE(Get(config_ + "SYSTEM") == before);
    EXPECT_EQ(Get("Windows/Drivers/Godwit/netkvm/netkvm.sys"), "(none)");
    job.dry_run = true;
    EXPECT_OK(Convert(&plan, job));
    EXPECT_THAT(FindingOf(plan, reason), HasSubstr("BLOCKER"));
  }
};

TEST_F(Refusal, ARegistryThatWasBeingWritten) {
  Make("2k19");
  Put(config_ + "SYSTEM", WithSequence(Get(config_ + "SYSTEM"), 9, 8));
  ExpectRefused("UNCLEAN_REGISTRY", "shut the server down");
}

TEST_F(Refusal, ARegistryWhoseLogIsNewer) {
  Make("win10-x64");
  Put(config_ + "SOFTWARE.LOG2", WithSequence(::godwit::testing::EmptyHive(), 900, 900));
  ExpectRefused("UNCLEAN_REGISTRY", "SOFTWARE.LOG2");
  Job job;
  job.windows.allow_unclean = true;
  Outcome outcome;
  EXPECT_OK(Convert(&outcome, job));
}

TEST_F(Refusal, NoDriverInTheFolder) {
  Make("2k19");
  std::filesystem::remove_all(drivers_ / "viostor");
  ExpectRefused("NO_DISK_DRIVER", "viostor");
}

TEST_F(Refusal, DriversOfAnotherArchitectureOnly) {
  Make("win7-x86");
  std::filesystem::remove_all(drivers_ / "viostor/w7/x86");
  std::filesystem::remove_all(drivers_ / "viostor/w10/x86");
  ExpectRefused("NO_DISK_DRIVER", "i386");
}

TEST_F(Refusal, DriversOfALaterWindowsOnly) {
  Make("2k12r2");
  for (const char* older : {"w7", "2k8R2", "2k12R2"}) {
    std::filesystem::remove_all(drivers_ / (std::string("viostor/") + older));
  }
  ExpectRefused("NO_DISK_DRIVER", "virtio disks");
}

TEST_F(Refusal, WithoutTheCardsDriverItIsOnlyAWarning) {
  Make("2k19");
  std::filesystem::remove_all(drivers_ / "NetKVM");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  EXPECT_THAT(FindingOf(outcome, "NO_NETWORK_DRIVER"), HasSubstr("WARNING"));
}

TEST_F(Refusal, HivesThatLie) {
  Make("2k19");
  const std::string system = Get(config_ + "SYSTEM");
  Outcome outcome;
  Put(config_ + "SYSTEM", system.substr(0, 4200));
  EXPECT_THAT(Convert(&outcome), StatusIs(absl::StatusCode::kInvalidArgument, "cut off"));
  Put(config_ + "SYSTEM", "");
  EXPECT_THAT(Convert(&outcome), StatusIs(absl::StatusCode::kInvalidArgument, "SYSTEM"));
  Put(config_ + "SYSTEM", ::godwit::testing::EmptyHive());
  EXPECT_THAT(Convert(&outcome), StatusIs(absl::StatusCode::kInvalidArgument, "control set"));
  // The root key is its own child: found or not, it ends.
  std::string loop = system;
  Put(config_ + "SYSTEM", loop.replace(4096 + 0x20 + 4 + 28, 4, std::string("\x20\0\0\0", 4)));
  EXPECT_FALSE(Convert(&outcome).ok());
}

TEST_F(Refusal, AFolderThatIsNoWindows) {
  config_ = "Windows/System32/config/";
  Put("Windows/System32/config/SYSTEM", "x");
  Outcome outcome;
  EXPECT_THAT(Convert(&outcome), StatusIs(absl::StatusCode::kNotFound, "no Windows"));
}

}  // namespace
}  // namespace godwit::convert::windows
