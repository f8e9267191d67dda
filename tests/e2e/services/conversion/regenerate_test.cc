// A guest's own tool makes its initramfs again, in the sandbox inside of the appliance. The guest
// is a phony one on ext4 whose update-initramfs is a script of busybox: it tries what it must not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/conversion/appliance/appliance.h"
#include "services/conversion/converter/sandbox.h"
#include "tests/support/phony/phony_guest.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::conversion {
namespace {

namespace pb = ::godwit::conversion::v1;
using namespace ::godwit::testing;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRelease[] = "6.1.0-21-amd64";

// Says what it may and may not, then makes an image and ends (or not: `end`).
std::string Tool(const std::string& end) {
  return absl::StrCat(
      "#!/bin/sh\n"
      "echo \"pid $$ arguments $*\"\n"
      "echo devices $(ls /dev)\n"
      "for disk in /dev/vda /dev/sda; do [ -b $disk ] && echo BAD disk; done\n"
      "mknod /boot/disk b 254 0 && dd if=/boot/disk of=/dev/null bs=512 count=1 && echo BAD node\n"
      "rm -f /boot/disk\n"
      "mknod /dev/x c 1 3 && echo BAD device\n"
      "echo evil >/proc/sys/kernel/hostname && echo BAD proc\n"
      "echo 1 >/sys/kernel/uevent_helper && echo BAD sys\n"
      "mount -t tmpfs x /mnt && echo BAD mount\n"
      "ls /proc/[0-9]* -d | wc -l\n"
      "cat /../outside && echo BAD outside\n"
      "ls /../../../bin/godwit-convert && echo BAD root\n"
      "head -c 4 /dev/zero | wc -c\n"
      "echo scratch >/tmp/scratch; echo scratch >/var/tmp/scratch\n"
      "cp /new /boot/initrd.img-",
      kRelease, "\n", end);
}

class RegenerateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    PhonyGuest guest(dir_ / "tree");
    PhonyFamilies().at("debian12")(guest);
    guest.Put("usr/sbin/update-initramfs", Tool("exit 0\n"), 0755).Put("new", PhonyInitramfs());
    for (const char* folder : {"proc", "sys", "dev", "tmp", "var/tmp", "run", "mnt", "bin"})
      ASSERT_OK(MakeDirs(absl::StrCat(guest.root(), "/", folder)));
    std::filesystem::copy_file("/bin/busybox", guest.root() + "/bin/busybox");
    for (const char* name :
         {"sh", "ls", "mknod", "dd", "rm", "mount", "wc", "cat", "cp", "sleep", "head", "setsid"})
      guest.Link(absl::StrCat("bin/", name), "busybox");
  }
  std::string Tree() const { return dir_ / "tree"; }
  void Run(const std::vector<std::string>& command) {
    ASSERT_OK_AND_ASSIGN(Process run, Process::Start({.command = command, .log = dir_ / "log"}));
    ASSERT_EQ(*run.Wait(absl::Seconds(60)), 0) << run.Log();
  }
  // The tree on an ext4 disk, converted in the appliance.
  ApplianceResult Convert(absl::Duration limit) {
    const std::string raw = dir_ / "disk.raw", disk = dir_ / "disk.qcow2";
    Run({"/usr/sbin/mke2fs", "-q", "-t", "ext4", "-d", Tree(), raw, "64M"});
    Run({"/usr/bin/qemu-img", "convert", "-O", "qcow2", raw, disk});
    pb::ConversionTask task;
    task.set_mode(pb::ConversionTask::REGENERATE);
    task.add_disks()->set_device_name("/dev/sda2");
    task.mutable_disks(0)->set_path(disk);
    task.mutable_target()->mutable_regenerate_timeout()->set_seconds(absl::ToInt64Seconds(limit));
    const auto appliance = Appliance::Open({.folder = GODWIT_APPLIANCE});
    EXPECT_OK(appliance.status());
    const std::atomic<bool> cancel{false};
    const ApplianceResult result =
        appliance->Run(task, dir_.path(), absl::Minutes(5), cancel, [](const std::string&) {});
    Run({"/usr/bin/qemu-img", "convert", "-O", "raw", disk, raw});
    return result;
  }
  // A file of the converted disk.
  std::string OnDisk(const std::string& path) {
    const std::string out = dir_ / "out";
    std::filesystem::remove(out);
    Run({"/usr/sbin/debugfs", "-R", absl::StrCat("dump ", path, " ", out), dir_ / "disk.raw"});
    return ReadFile(out).value_or("(none)");
  }
  TempDir dir_;
};

TEST_F(RegenerateTest, TheToolHasItsTreeAndNothingElse) {
  ASSERT_OK_AND_ASSIGN(const auto root, convert::GuestRoot::Open(Tree()));
  ASSERT_OK(WriteFileAtomically(dir_ / "outside", "x"));
  ASSERT_OK_AND_ASSIGN(
      const convert::GuestRun run,
      convert::RunInGuest(root, {"/usr/sbin/update-initramfs", "-u"}, absl::Seconds(30)));
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("pid 1 arguments -u\n"));
  EXPECT_THAT(run.output, HasSubstr("devices fd null random tty urandom zero\n"));
  EXPECT_THAT(run.output, Not(HasSubstr("BAD")));
  EXPECT_THAT(run.output, HasSubstr("\n4\n")) << "/dev/zero works";
  EXPECT_FALSE(std::filesystem::exists(Tree() + "/tmp/scratch"));
  EXPECT_FALSE(std::filesystem::exists(Tree() + "/var/tmp/scratch"));
  EXPECT_TRUE(std::filesystem::is_empty(Tree() + "/dev")) << "its mounts are gone";
  EXPECT_EQ(ReadFile(Tree() + "/boot/initrd.img-" + kRelease).value_or(""), PhonyInitramfs());
}

TEST_F(RegenerateTest, AnEndlessToolIsEndedWithAllThatItStarted) {
  PhonyGuest(Tree()).Put("usr/sbin/update-initramfs",
                         "#!/bin/sh\nsetsid sleep 12345 &\nwhile :; do echo more; done\n", 0755);
  ASSERT_OK_AND_ASSIGN(const auto root, convert::GuestRoot::Open(Tree()));
  const absl::Time from = absl::Now();
  ASSERT_OK_AND_ASSIGN(const convert::GuestRun run,
                       convert::RunInGuest(root, {"/usr/sbin/update-initramfs"}, absl::Seconds(2)));
  EXPECT_TRUE(run.timed_out);
  EXPECT_EQ(run.exit_code, 128 + SIGKILL);
  EXPECT_LT(absl::Now() - from, absl::Seconds(20));
  EXPECT_LE(run.output.size(), 64u * 1024);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string line = ReadFile(entry.path().string() + "/cmdline", 4096).value_or("");
    EXPECT_THAT(line, Not(HasSubstr(std::string("sleep") + '\0' + "12345"))) << entry.path();
  }
  EXPECT_THAT(convert::RunInGuest(root, {"/no/such/tool"}, absl::Seconds(2)),
              StatusIs(absl::StatusCode::kInternal, "/no/such/tool"));
}

TEST_F(RegenerateTest, InTheAppliance) {
  const ApplianceResult result = Convert(absl::Minutes(2));
  ASSERT_OK(result.status);
  std::string reasons;
  for (const pb::Finding& finding : result.task.findings())
    absl::StrAppend(&reasons, finding.reason(), " ");
  EXPECT_THAT(reasons, HasSubstr("REGENERATED"));
  // Made by the tool, nothing appended; the one before is kept.
  EXPECT_EQ(OnDisk(absl::StrCat("/boot/initrd.img-", kRelease)), PhonyInitramfs());
  EXPECT_EQ(OnDisk(absl::StrCat("/boot/initrd.img-", kRelease, ".pre-migration")),
            PhonyInitramfs());
  EXPECT_THAT(OnDisk("/etc/initramfs-tools/modules"), HasSubstr("virtio_blk\n"))
      << "what the tool reads was edited before";
  EXPECT_EQ(OnDisk("/tmp/scratch"), "(none)");
}

TEST_F(RegenerateTest, AnEndlessToolInTheAppliance) {
  PhonyGuest(Tree()).Put("usr/sbin/update-initramfs",
                         absl::StrCat("#!/bin/sh\necho half >/boot/initrd.img-", kRelease,
                                      "\necho working\nwhile :; do :; done\n"),
                         0755);
  const ApplianceResult result = Convert(absl::Seconds(3));
  EXPECT_THAT(result.status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "took longer than 3s"));
  EXPECT_THAT(result.status.message(), HasSubstr("working"));
  EXPECT_EQ(OnDisk(absl::StrCat("/boot/initrd.img-", kRelease)), PhonyInitramfs())
      << "the image before is back";
}

}  // namespace
}  // namespace godwit::conversion
