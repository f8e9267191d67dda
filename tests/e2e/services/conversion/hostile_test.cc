// Disks that were made to do harm. Each ends as a failed task that says what happened; the host,
// the point and the next task do not notice.
#include <gmock/gmock.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/conversion/appliance/machine_process.h"
#include "tests/e2e/services/conversion/appliance_fixture.h"

namespace godwit::conversion {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Property;

class HostileTest : public ApplianceFixture {
 protected:
  void SetUp() override { tree_ = dir_ / "tree"; }
  void Put(const std::string& path, const std::string& content) {
    ASSERT_OK(MakeDirs(std::filesystem::path(tree_ + "/" + path).parent_path().string()));
    ASSERT_OK(WriteFileAtomically(tree_ + "/" + path, content, 0644));
  }
  void Sparse(const std::string& path, off_t bytes) {
    Put(path, "");
    ASSERT_EQ(truncate((tree_ + "/" + path).c_str(), bytes), 0);
  }
  // A system that could be converted, in a few files.
  void PutSystem() {
    Put("etc/fstab", "/dev/sda / ext4 defaults 0 1\n");
    Put("etc/os-release", "ID=debian\n");
    Put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1 root=/dev/sda ro\n");
    Put("boot/vmlinuz-6.1", "kernel");
    Put("boot/initrd.img-6.1", "initramfs");
    Put("lib/modules/6.1/modules.dep", "kernel/virtio_blk.ko:\n");
    Put("lib/modules/6.1/kernel/virtio_blk.ko", "driver");
  }
  // The tree as the ext4 file system of a whole disk, and an overlay on it.
  std::string Disk(const std::string& name, const std::string& size = "64M") {
    const std::string raw = dir_ / (name + ".raw");
    Do({"mkfs.ext4", "-q", "-F", "-d", tree_, raw, size});
    return OverlayOf(raw);
  }
  std::string OverlayOf(const std::string& raw) {
    Overlay(raw, raw + ".qcow2");
    return raw + ".qcow2";
  }

  std::string tree_;
};

TEST_F(HostileTest, LinksDevicesAndGiantFilesLeadNowhere) {
  PutSystem();
  std::filesystem::remove(tree_ + "/etc/os-release");
  Put("usr/lib/os-release", "ID=debian\n");
  // A path that is a device, one that leaves the tree, a giant file (FIFOs: unit tests).
  Do({"mknod", tree_ + "/etc/default-device", "b", "254", "0"});
  ASSERT_OK(MakeDirs(tree_ + "/etc/default"));
  std::filesystem::create_symlink("/dev/vda", tree_ + "/etc/default/grub");
  std::filesystem::create_symlink("../../../../../../init", tree_ + "/etc/os-release");
  Sparse("etc/dracut.conf", off_t{100} << 30);
  const std::string disk = Disk("links");
  std::atomic<bool> done{false};
  // Meanwhile: as whom does the machine run?
  std::string user;
  std::thread watch([&] {
    while (!done) {
      for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string folder = entry.path().string();
        const auto line = ReadFile(folder + "/cmdline", 1 << 20);
        if (!line.ok() || !absl::StartsWith(*line, "qemu-system")) continue;
        const auto status = ReadFile(folder + "/status", 65536);
        if (status.ok() && absl::StrContains(*status, absl::StrCat("PPid:\t", getpid(), "\n")))
          user = *status;
      }
      absl::SleepFor(absl::Milliseconds(300));
    }
  });
  const ApplianceResult result = Run(TaskFor(disk));
  done = true;
  watch.join();
  EXPECT_OK(result.status);
  EXPECT_THAT(user, HasSubstr("Uid:\t65534\t65534\t65534\t65534"));
  EXPECT_THAT(user, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(user, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(user, HasSubstr("Seccomp:\t2"));

  // A FIFO that nobody ever writes to.
  std::filesystem::remove(tree_ + "/etc/fstab");
  Do({"mkfifo", tree_ + "/etc/fstab"});
  EXPECT_THAT(Run(TaskFor(Disk("fifo")), {}, absl::Minutes(2)).status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "not a regular file"));
}

TEST_F(HostileTest, ScriptsThatMultiplyOrNeverEndAreEnded) {
  PutSystem();
  const std::string disk = Disk("scripts"), scripts = dir_ / "scripts";
  ASSERT_OK(MakeDirs(scripts));
  ASSERT_OK(WriteFileAtomically(
      scripts + "/10-bomb", "# timeout: 5s\nb() { b | b & b | b & }\nb\nwhile :; do :; done\n"));
  const ApplianceResult bomb = Run(TaskFor(disk), {.scripts_folder = scripts});
  EXPECT_THAT(bomb.status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "10-bomb ran longer than 5 s"));
  ASSERT_OK(WriteFileAtomically(scripts + "/10-bomb", "echo lost; exit 7\n"));
  const ApplianceResult failed = Run(TaskFor(disk), {.scripts_folder = scripts});
  EXPECT_THAT(failed.status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "10-bomb ended with 7: lost"));
  EXPECT_THAT(failed.task.changes(), Contains(Property(&v1::Change::path, HasSubstr("10-bomb"))));
}

TEST_F(HostileTest, BrokenFileSystemsAndFullDisksFailByName) {
  PutSystem();
  // Full: no block is left for an initramfs with drivers.
  const std::string full = dir_ / "full.raw";
  Put("fill", std::string(3 << 20, 'f'));
  Put("boot/initrd.img-6.1", std::string(2 << 20, 'i'));
  Do({"mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-d", tree_, full, "8M"});
  EXPECT_THAT(Run(TaskFor(OverlayOf(full))).status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "make room on the source"));

  // Inodes and block maps overwritten, in the middle of a file system.
  const std::string broken = dir_ / "broken.raw";
  Do({"mkfs.ext4", "-q", "-F", "-d", tree_, broken, "64M"});
  Do({"qemu-io", "-f", "raw", "-c", "write -q -P 0xa5 8k 1M", broken});
  const ApplianceResult result = Run(TaskFor(OverlayOf(broken)));
  EXPECT_FALSE(result.status.ok());
  EXPECT_THAT(std::string(result.status.message()),
              ::testing::AnyOf(HasSubstr("errors that e2fsck does not repair"),
                               HasSubstr("no Linux system"), HasSubstr("mounting")));

  // A disk whose bytes say that it is a qcow2 file over a file of this host: it is a disk.
  const std::string liar = dir_ / "liar.raw", secret = dir_ / "secret";
  ASSERT_OK(WriteFileAtomically(secret, std::string(1 << 20, 's')));
  Do({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, liar, "64M"});
  ASSERT_EQ(truncate(liar.c_str(), 64 << 20), 0);
  EXPECT_THAT(Run(TaskFor(OverlayOf(liar))).status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "no Linux system"));
}

TEST_F(HostileTest, TimeIsLimitedAndTheNextTaskRunsWithoutRoot) {
  PutSystem();
  // Where the build and the other temporary files are, others may not be allowed to look.
  const testing::TempDir open("/tmp");
  const std::string raw = open / "slow.raw", disk = open / "slow.qcow2";
  const std::string appliance = open / "appliance";
  Do({"mkfs.ext4", "-q", "-F", "-d", tree_, raw, "64M"});
  Overlay(raw, disk);
  EXPECT_THAT(Run(TaskFor(disk), {}, absl::Seconds(1)).status,
              StatusIs(absl::StatusCode::kDeadlineExceeded, "longer than 1s"));
  Do({"cp", "-r", GODWIT_APPLIANCE, appliance});
  Do({"chown", "-R", "65534:65534", open.path()});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
    const ApplianceResult next = Run(TaskFor(disk), {.folder = appliance}, kPatience, open.path());
    if (!next.status.ok()) fprintf(stderr, "%s\n", next.status.ToString().c_str());
    _exit(next.status.ok() && !next.task.console_tail().empty() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// Beside a disk that is well; each of them is left alone and the conversion goes on.
TEST_F(HostileTest, BrokenDisksBesideAGoodOneAreLeftAlone) {
  PutSystem();
  v1::ConversionTask task = TaskFor(Disk("good"));
  int number = 0;
  const auto add = [&](const std::string& raw) {
    auto& disk = *task.add_disks();
    disk.set_device_name(
        absl::StrCat("/dev/sd", std::string(1, static_cast<char>('b' + number++))));
    disk.set_path(OverlayOf(raw));
  };
  // Whole superblocks over metadata that is none.
  const std::string xfs = dir_ / "xfs.raw", btrfs = dir_ / "btrfs.raw";
  Do({"truncate", "-s", "320M", xfs, btrfs});
  Do({"mkfs.xfs", "-q", xfs});
  Do({"qemu-io", "-f", "raw", "-c", "write -q -P 0xa5 1k 8M", xfs});
  add(xfs);
  Do({"mkfs.btrfs", "-q", btrfs});
  Do({"qemu-io", "-f", "raw", "-c", "write -q -P 0xa5 128k 60M", btrfs});
  add(btrfs);
  // A chain of extended partitions whose second link is itself and whose partitions overlap.
  const auto entry = [](unsigned char type, std::uint32_t start, std::uint32_t count) {
    std::string bytes(16, '\0');
    bytes[4] = static_cast<char>(type);
    for (int i = 0; i < 4; ++i) {
      bytes[8 + i] = static_cast<char>(start >> (8 * i));
      bytes[12 + i] = static_cast<char>(count >> (8 * i));
    }
    return bytes;
  };
  const auto table = [](const std::string& entries) {
    std::string sector(446, '\0');
    sector += entries;
    sector.resize(510, '\0');
    return sector + "\x55\xaa";
  };
  std::string loop = table(entry(0x05, 2048, 100000) + entry(0x83, 2048, 100000));
  loop.resize(64 << 20, '\0');
  loop.replace(2048 * 512, 512, table(entry(0x83, 1, 90000) + entry(0x05, 0, 100000)));
  ASSERT_OK(WriteFileAtomically(dir_ / "loop.raw", loop));
  add(dir_ / "loop.raw");
  // A GPT of four billion entries of four billion bytes.
  std::string gpt = table(entry(0xee, 1, 0xffffffff)) + "EFI PART";
  gpt.resize(512 + 72, '\0');
  gpt += std::string("\2\0\0\0\0\0\0\0", 8) + std::string(8, '\xff');
  gpt.resize(64 << 20, '\0');
  ASSERT_OK(WriteFileAtomically(dir_ / "gpt.raw", gpt));
  add(dir_ / "gpt.raw");
  const ApplianceResult result = Run(task, {}, absl::Minutes(4));
  EXPECT_OK(result.status);
  EXPECT_THAT(result.task.changes(), Contains(Property(&v1::Change::path, "/etc/fstab")));
  EXPECT_LE(result.task.inspection().volumes_size(), 256);
  for (const char* device : {"/dev/sdb", "/dev/sdc"}) {
    EXPECT_THAT(result.task.findings(),
                Contains(AllOf(Property(&v1::Finding::reason, "DAMAGED_FILE_SYSTEM"),
                               Property(&v1::Finding::message, HasSubstr(device)))));
  }
  if (!result.status.ok()) std::printf("%s\n", result.task.console_tail().c_str());

  // And one that the system needs fails by its name.
  task.mutable_disks(0)->Swap(task.mutable_disks(1));
  task.mutable_disks()->DeleteSubrange(1, task.disks_size() - 1);
  EXPECT_THAT(Run(task).status, StatusIs(absl::StatusCode::kFailedPrecondition, "/dev/sdb"));
}

TEST_F(HostileTest, APanicIsNamedAndAFloodEnds) {
  PutSystem();
  const std::string disk = Disk("panic"), scripts = dir_ / "scripts";
  ASSERT_OK(MakeDirs(scripts));
  ASSERT_OK(WriteFileAtomically(scripts + "/10-crash", "echo c >/proc/sysrq-trigger\n"));
  EXPECT_THAT(Run(TaskFor(disk), {.scripts_folder = scripts}).status,
              StatusIs(absl::StatusCode::kInternal, "Kernel panic"));
  ASSERT_OK(WriteFileAtomically(scripts + "/10-crash", "yes >/dev/ttyS0\n"));
  const ApplianceResult flood =
      Run(TaskFor(disk), {.max_console_bytes = 256 << 10, .scripts_folder = scripts});
  EXPECT_THAT(flood.status, StatusIs(absl::StatusCode::kResourceExhausted, "more than 256 KiB"));
  EXPECT_LE(flood.task.console_tail().size(), 64u << 10);
}

// The limit of the process holds without help of the machine in it (which never runs here).
TEST_F(HostileTest, MemoryBeyondTheLimitIsRefused) {
  const std::vector<std::string> command = {
      "qemu-system-x86_64", "-S", "-nodefaults", "-display", "none", "-m", "4096"};
  const std::string log = dir_ / "qemu.log";
  ASSERT_OK_AND_ASSIGN(const pid_t child,
                       StartMachine(command, {}, log, MachineLimits(absl::Minutes(1), 256)));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_NE(status, 0);
  EXPECT_THAT(ReadFile(log).value_or(""), HasSubstr("Cannot allocate memory"));
}

}  // namespace
}  // namespace godwit::conversion
