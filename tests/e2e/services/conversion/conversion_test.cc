// Real disks of real servers, converted in the appliance; the proof is that they boot.
#include "services/conversion/appliance/appliance.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/crypt/master_keys.h"
#include "services/common/crypt/qemu_image.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/support/process.h"
#include "tests/support/source_machine.h"
#include "tests/support/status_matchers.h"

namespace godwit::conversion {
namespace {

namespace pb = ::godwit::conversion::v1;
using ::godwit::testing::Process;
using ::godwit::testing::SourceMachine;
using ::godwit::testing::TempDir;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Property;

constexpr absl::Duration kPatience = absl::Minutes(8);

class ConversionTest : public ::testing::Test {
 protected:
  void Overlay(const std::string& layout) {
    ASSERT_OK_AND_ASSIGN(image_, SourceMachine::Image(layout));
    disk_ = dir_ / "disk.qcow2";
    ASSERT_OK_AND_ASSIGN(Process create,
                         Process::Start({.command = {"/usr/bin/qemu-img", "create", "-q", "-f",
                                                     "qcow2", "-F", "raw", "-b", image_, disk_},
                                         .log = dir_ / "create.log"}));
    ASSERT_EQ(*create.Wait(absl::Seconds(30)), 0) << create.Log();
  }
  pb::ConversionTask Task() const {
    pb::ConversionTask task;
    task.set_mode(pb::ConversionTask::APPEND);
    auto& disk = *task.add_disks();
    disk.set_device_name("/dev/sda");
    disk.set_path(disk_);
    auto& nic = *task.mutable_target()->add_nics();
    nic.set_mac_address("52:54:00:aa:00:01");
    nic.set_source_mac_address("52:54:00:aa:00:01");
    nic.set_source_name("lan0");
    return task;
  }
  ApplianceResult Convert(const pb::ConversionTask& task, const std::string& master_keys = "") {
    const auto appliance =
        Appliance::Open({.folder = GODWIT_APPLIANCE, .master_key_file = master_keys});
    EXPECT_OK(appliance.status());
    const std::atomic<bool> cancel{false};
    return appliance->Run(task, dir_.path(), kPatience, cancel, [](const std::string&) {});
  }

  TempDir dir_;
  std::string image_, disk_;
};

TEST_F(ConversionTest, AServerWithoutVirtioBootsOnVirtio) {
  Overlay("ext4");
  struct stat before {
  }, after{};
  ASSERT_EQ(stat(image_.c_str(), &before), 0);
  const ApplianceResult result = Convert(Task());
  ASSERT_OK(result.status);
  EXPECT_EQ(result.task.inspection().distribution(), "debian");
  EXPECT_EQ(result.task.inspection().architecture(), "x86_64");
  EXPECT_THAT(result.task.changes(), Contains(Property(&pb::Change::path, "/etc/fstab")));
  EXPECT_THAT(result.task.changes(), Contains(Property(&pb::Change::path, "/boot/grub/grub.cfg")));
  EXPECT_THAT(result.task.changes(), Contains(Property(&pb::Change::step, "initramfs")));
  ASSERT_EQ(stat(image_.c_str(), &after), 0);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec) << "the replica itself was written to";

  ASSERT_OK_AND_ASSIGN(
      auto machine, SourceMachine::Start({.hardware = "virtio", .booted = false, .disk = disk_}));
  const absl::Status page = machine->WaitForPage(kPatience);
  ASSERT_OK(page);
  ASSERT_OK_AND_ASSIGN(const std::string facts,
                       machine->Ssh("cat /proc/cmdline; findmnt -no SOURCE /; ip -br link; lsmod"));
  EXPECT_THAT(facts, HasSubstr("root=UUID="));
  EXPECT_THAT(facts, HasSubstr("/dev/vda1"));
  EXPECT_THAT(facts, HasSubstr("lan0"));
  EXPECT_THAT(facts, HasSubstr("virtio_net"));
  // The page may be served before the console asks for a login.
  for (int i = 0; i < 240 && !absl::StrContains(machine->Console(), "login:"); ++i) {
    absl::SleepFor(absl::Milliseconds(500));
  }
  EXPECT_THAT(machine->Console(), HasSubstr("login:")) << "the serial console shows the boot";
}

// The clone of a point in an encrypted group; then what it holds, without encryption, boots.
TEST_F(ConversionTest, AnEncryptedReplicaIsConvertedInPlace) {
  ASSERT_OK_AND_ASSIGN(image_, SourceMachine::Image("ext4"));
  const std::string keys = dir_ / "master.keys";
  ASSERT_OK(crypt::AddMasterKey(keys).status());
  ASSERT_OK_AND_ASSIGN(const auto store, store::OpenFileStore(dir_ / "store", keys));
  const Fd image(open(image_.c_str(), O_RDONLY | O_CLOEXEC));
  const auto size = static_cast<std::uint64_t>(lseek(image.get(), 0, SEEK_END));
  ASSERT_OK_AND_ASSIGN(const auto group,
                       store->OpenEncryptedGroup("s-0123456789abcdef0", 1,
                                                 {{.disk_id = "d-0123456789abcdef0",
                                                   .device_name = "/dev/sda",
                                                   .size_bytes = size,
                                                   .is_boot_disk = true}}));
  block::AlignedBuffer buffer(16 * block::kBlockSize);
  for (std::uint64_t at = 0; at < size; at += buffer.size()) {
    const auto bytes = buffer.bytes().first(std::min<std::uint64_t>(buffer.size(), size - at));
    ASSERT_EQ(pread(image.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(bytes.size()));
    if (!block::IsZero(bytes)) ASSERT_OK(group->Write(0, at / block::kBlockSize, bytes));
  }
  ASSERT_OK(group->Commit({.epoch = 1, .cut_time = absl::Now(), .consistency = 1}).status());
  ASSERT_OK_AND_ASSIGN(const auto clone, group->CreateClone("c-0123456789abcdef0", 1));
  disk_ = clone[0].path;
  EXPECT_THAT(Convert(Task()).status,
              ::godwit::testing::StatusIs(absl::StatusCode::kFailedPrecondition, "master"))
      << "without the key";
  const ApplianceResult result = Convert(Task(), keys);
  ASSERT_OK(result.status);
  EXPECT_THAT(result.task.changes(), Contains(Property(&pb::Change::path, "/boot/grub/grub.cfg")));

  ASSERT_OK_AND_ASSIGN(const auto opened, crypt::QemuImage::Open(disk_, keys));
  ASSERT_TRUE(opened.encrypted());
  const std::string passphrase = dir_ / "passphrase", plain = dir_ / "plain.qcow2";
  ASSERT_OK(WriteFileAtomically(passphrase, opened.key()->passphrase().bytes(), 0600));
  ASSERT_OK_AND_ASSIGN(Process convert,
                       Process::Start({.command = {"/usr/bin/qemu-img", "convert", "--object",
                                                   "secret,id=godwit,file=" + passphrase, "-O",
                                                   "qcow2", opened.Url(), plain},
                                       .log = dir_ / "convert.log"}));
  ASSERT_EQ(*convert.Wait(absl::Minutes(3)), 0) << convert.Log();
  ASSERT_OK_AND_ASSIGN(
      auto machine, SourceMachine::Start({.hardware = "virtio", .booted = false, .disk = plain}));
  ASSERT_OK(machine->WaitForPage(kPatience));
}

TEST_F(ConversionTest, APreflightPlansAndWritesNothing) {
  Overlay("ext4");
  ASSERT_OK_AND_ASSIGN(const std::string before, ReadFile(disk_));
  pb::ConversionTask task = Task();
  task.set_mode(pb::ConversionTask::PREFLIGHT);
  const ApplianceResult result = Convert(task);
  ASSERT_OK(result.status);
  EXPECT_THAT(result.task.changes(), Contains(Property(&pb::Change::path, "/etc/fstab")));
  ASSERT_OK_AND_ASSIGN(const std::string after, ReadFile(disk_));
  EXPECT_TRUE(before == after) << "the overlay was written to";
}

TEST_F(ConversionTest, XfsBootsAndASecondConversionChangesNothing) {
  Overlay("xfs");
  const ApplianceResult first = Convert(Task());
  ASSERT_OK(first.status);
  EXPECT_GT(first.task.changes_size(), 4);
  const ApplianceResult second = Convert(Task());
  ASSERT_OK(second.status);
  EXPECT_EQ(second.task.changes_size(), 0) << second.task.ShortDebugString();
  ASSERT_OK_AND_ASSIGN(
      auto machine, SourceMachine::Start({.hardware = "virtio", .booted = false, .disk = disk_}));
  ASSERT_OK(machine->WaitForPage(kPatience));
  ASSERT_OK_AND_ASSIGN(const std::string root, machine->Ssh("findmnt -no SOURCE,FSTYPE /"));
  EXPECT_THAT(root, HasSubstr("/dev/vda"));
  EXPECT_THAT(root, HasSubstr("xfs"));
}

TEST_F(ConversionTest, ADiskWithoutASystemIsRefusedAndCancelEndsTheMachine) {
  disk_ = dir_ / "empty.qcow2";
  ASSERT_OK_AND_ASSIGN(
      Process create,
      Process::Start({.command = {"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", disk_, "64M"},
                      .log = dir_ / "create.log"}));
  ASSERT_EQ(*create.Wait(absl::Seconds(30)), 0) << create.Log();
  const ApplianceResult result = Convert(Task());
  EXPECT_THAT(result.status, ::godwit::testing::StatusIs(absl::StatusCode::kFailedPrecondition,
                                                         "no Linux system"));

  const auto appliance = Appliance::Open({.folder = GODWIT_APPLIANCE});
  const std::atomic<bool> cancel{true};
  const ApplianceResult cancelled =
      appliance->Run(Task(), dir_.path(), kPatience, cancel, [](const std::string&) {});
  EXPECT_TRUE(absl::IsCancelled(cancelled.status));
}

}  // namespace
}  // namespace godwit::conversion
