// Real NTFS volumes, as mkntfs makes them: recognised, and marked for a check or not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/base/internal/endian.h"
#include "services/common/base/file.h"
#include "services/conversion/appliance/supplies.h"
#include "services/conversion/converter/job.h"
#include "services/conversion/converter/superblock.h"
#include "services/conversion/converter/windows/ntfs.h"
#include "services/conversion/converter/windows/options.h"
#include "services/conversion/converter/windows/windows_disks.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert::windows {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

constexpr off_t kVolumeBytes = 8 << 20;

class Ntfs : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = dir_ / "volume";
    ASSERT_OK(WriteFileAtomically(path, ""));
    ASSERT_EQ(truncate(path.c_str(), kVolumeBytes), 0);
    ASSERT_OK_AND_ASSIGN(Process make,
                         Process::Start({.command = {"/sbin/mkntfs", "-Q", "-F", "-q", path},
                                         .log = dir_ / "mkntfs.log"}));
    ASSERT_EQ(*make.Wait(absl::Seconds(30)), 0) << make.Log();
    ASSERT_OK_AND_ASSIGN(volume_, ReadFile(path));
  }
  absl::StatusOr<bool> Marked() const {
    return IsMarkedForCheck(
        [this](std::uint64_t offset, std::size_t size) -> absl::StatusOr<std::string> {
          return offset < volume_.size() ? volume_.substr(offset, size) : std::string();
        });
  }
  // Of the $Volume file's information: version 3.1, flags.
  std::size_t FlagsAt() const {
    const std::uint64_t table = absl::little_endian::Load64(volume_.data() + 48) * 4096;
    return volume_.find(std::string("\x03\x01", 2), table + 3 * 1024 + 0x38) + 2;
  }

  TempDir dir_;
  std::string volume_;
};

TEST_F(Ntfs, IsRecognised) {
  const Superblock super = ParseSuperblock(volume_.substr(0, 131072));
  EXPECT_EQ(super.type, "ntfs");
  EXPECT_EQ(super.uuid.size(), 16u);
  std::string locked = volume_.substr(0, 131072);
  locked.replace(3, 8, "-FVE-FS-");
  EXPECT_EQ(ParseSuperblock(locked).type, "bitlocker");
}

TEST_F(Ntfs, AMarkForACheckIsFound) {
  ASSERT_OK_AND_ASSIGN(const bool fresh, Marked());
  EXPECT_FALSE(fresh);
  volume_[FlagsAt()] = 1;
  ASSERT_OK_AND_ASSIGN(const bool marked, Marked());
  EXPECT_TRUE(marked);
}

TEST_F(Ntfs, DamagedRecordsAreAnError) {
  const std::string whole = volume_;
  volume_.replace(48, 8, std::string(8, '\x7f'));
  EXPECT_THAT(Marked().status(), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  volume_ = whole;
  volume_[64] = 120;  // records of 480 KiB
  EXPECT_THAT(Marked().status(), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  volume_ = whole;
  volume_[13] = 0;
  EXPECT_THAT(Marked().status(), StatusIs(absl::StatusCode::kInvalidArgument, ""));
  volume_ = whole.substr(0, 600);
  EXPECT_THAT(Marked().status(), StatusIs(absl::StatusCode::kInvalidArgument, ""));
}

TEST(BitLocker, IsRefusedWithTheRemedyAndAPlanSaysSo) {
  Outcome outcome, plan, linux_disks;
  const auto progress = [](const std::string&) {};
  outcome.volumes = {{.source_device = "/dev/sda2", .type = "bitlocker"}};
  plan.volumes = outcome.volumes;
  EXPECT_THAT(ConvertWindowsDisks(Job{}, "/nowhere", &outcome, progress).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "manage-bde -off"));
  ASSERT_EQ(outcome.findings.size(), 1u);
  EXPECT_EQ(outcome.findings[0].reason, "BITLOCKER");
  ASSERT_OK(ConvertWindowsDisks(Job{.dry_run = true}, "/nowhere", &plan, progress).status());
  EXPECT_EQ(plan.findings[0].severity, "BLOCKER");
  linux_disks.volumes = {{.source_device = "/dev/sda1", .type = "lvm"}};
  ASSERT_OK_AND_ASSIGN(const bool windows,
                       ConvertWindowsDisks(Job{}, "/nowhere", &linux_disks, progress));
  EXPECT_FALSE(windows);
}

TEST(Supplies, HoldDriversAndScriptsAndNothingElse) {
  const TempDir dir;
  ASSERT_OK(MakeDirs(dir / "drivers/viostor/w10"));
  ASSERT_OK(MakeDirs(dir / "scripts"));
  ASSERT_OK(WriteFileAtomically(dir / "drivers/viostor/w10/VIOSTOR.INF", "inf"));
  ASSERT_OK(
      WriteFileAtomically(dir / "drivers/viostor/w10/viostor.pdb", std::string(1 << 20, 'x')));
  ASSERT_OK(WriteFileAtomically(dir / "secret.inf", "secret"));
  ASSERT_EQ(symlink((dir / "secret.inf").c_str(), (dir / "drivers/link.inf").c_str()), 0);
  ASSERT_OK(WriteFileAtomically(dir / "scripts/10-a.cmd", "echo"));
  const std::string image = dir / "supplies.img";
  ASSERT_OK(conversion::MakeSupplies({.drivers = dir / "drivers", .scripts = dir / "scripts"},
                                     dir.path(), image));
  const auto read = [&](const std::string& command) {
    absl::StatusOr<Process> process =
        Process::Start({.command = {"/sbin/debugfs", "-R", command, image},
                        .log = dir / ("log " + command.substr(0, 2))});
    EXPECT_OK(process.status());
    EXPECT_EQ(*process->Wait(absl::Seconds(30)), 0);
    return process->Log();
  };
  EXPECT_THAT(read("cat /drivers/viostor/w10/VIOSTOR.INF"), ::testing::EndsWith("inf"));
  EXPECT_THAT(read("ls /drivers"), ::testing::Not(::testing::HasSubstr("link")));
  EXPECT_LT(std::filesystem::file_size(image), 20u << 20) << "the .pdb stays outside";
  EXPECT_THAT(conversion::MakeSupplies({.drivers = dir / "none"}, dir.path(), image),
              StatusIs(absl::StatusCode::kInvalidArgument, "none"));
}

TEST(Options, AreReadFromTheJobAndChecked) {
  ASSERT_OK_AND_ASSIGN(
      const Job job,
      ParseJob(
          R"({"windows":{"disk_bus":"nvme","nic_model":"ena","services":["stornvme","ena"],"allow_unclean":true,"cards":[
        {"mac_address":"52:54:00:00:00:01","source_name":"Ethernet 2","static_address":"10.0.0.5/24"}]}})"));
  EXPECT_EQ(job.windows.disk_bus, "nvme");
  EXPECT_EQ(job.windows.nic_model, "ena");
  EXPECT_THAT(job.windows.services, ::testing::ElementsAre("stornvme", "ena"));
  EXPECT_THAT(ParseJob(R"({"windows":{"services":["../x"]}})").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "windows.services"));
  EXPECT_TRUE(job.windows.allow_unclean);
  ASSERT_EQ(job.windows.cards.size(), 1u);
  EXPECT_EQ(job.windows.cards[0].source_name, "Ethernet 2");
  EXPECT_THAT(ParseJob(R"({"windows":{"cards":[{"mac_address":"'; evil"}]}})").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "windows.cards"));
  // It may be one of a Linux guest.
  EXPECT_OK(ParseJob(R"({"windows":{"cards":[{"static_address":"fd00::5/64"}]}})"));
  ASSERT_OK_AND_ASSIGN(const Job other, ParseJob(R"({"windows":7})"));
  EXPECT_EQ(other.windows.disk_bus, "virtio");
}

}  // namespace
}  // namespace godwit::convert::windows
