// A conversion can be looked at, taken back, and gives the same every time.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "tests/e2e/services/conversion/appliance_fixture.h"

namespace godwit::conversion {
namespace {

using ::godwit::testing::SourceMachine;
using ::testing::HasSubstr;

class UndoTest : public ApplianceFixture {
 protected:
  static std::string ChangesOf(const ApplianceResult& result) {
    std::string changes;
    for (const auto& change : result.task.changes())
      absl::StrAppend(&changes, change.ShortDebugString(), "\n");
    return changes;
  }
};

TEST_F(UndoTest, TwoConversionsAreTheSameAndOneIsTakenBack) {
  ASSERT_OK_AND_ASSIGN(const std::string image, SourceMachine::Image("ext4"));
  const std::string first = dir_ / "first.qcow2", second = dir_ / "second.qcow2";
  Overlay(image, first);
  Overlay(image, second);
  v1::ConversionTask task = TaskFor(first);
  task.mutable_target()->set_boot_mode(jobs::v1::LaunchSettings::UEFI);
  const std::string scripts = dir_ / "scripts";
  ASSERT_OK(MakeDirs(scripts));
  ASSERT_OK(WriteFileAtomically(scripts + "/10-motd",
                                "echo moved >$GODWIT_ROOT/etc/motd.moved && echo wrote motd\n"));
  ASSERT_OK(WriteFileAtomically(scripts + "/20-inside.chroot", "cat /etc/motd.moved; id -u\n"));
  const ApplianceResult converted = Run(task, {.scripts_folder = scripts});
  ASSERT_OK(converted.status);
  ASSERT_EQ(converted.task.scripts_size(), 2);
  EXPECT_EQ(converted.task.scripts(0).output(), "wrote motd\n");
  EXPECT_EQ(converted.task.scripts(1).output(), "moved\n0\n");

  task.mutable_disks(0)->set_path(second);
  const ApplianceResult again = Run(task, {.scripts_folder = scripts});
  ASSERT_OK(again.status);
  EXPECT_EQ(ChangesOf(converted), ChangesOf(again)) << "every hash, every partition number";
  // Each had its own appliance, seconds later: the disks are the same byte for byte.
  Do({"qemu-img", "compare", first, second});
  Do({"sh", "-c",
      absl::StrCat("qemu-img dd -f qcow2 -O raw bs=1M skip=1 if=", first, " of=", first,
                   ".part && ", "/sbin/e2fsck -fn ", first, ".part; code=$?; rm ", first,
                   ".part; exit $code")});

  task.set_mode(v1::ConversionTask::DIFF);
  const ApplianceResult diff = Run(task);
  ASSERT_OK(diff.status);
  EXPECT_THAT(diff.task.diff(), HasSubstr("-/dev/sda1 / ext4"));
  EXPECT_THAT(diff.task.diff(), HasSubstr("+UUID="));

  task.set_mode(v1::ConversionTask::UNDO);
  const ApplianceResult undone = Run(task);
  ASSERT_OK(undone.status);
  EXPECT_GT(undone.task.changes_size(), 5) << "each checked by its hash inside";
}

}  // namespace
}  // namespace godwit::conversion
