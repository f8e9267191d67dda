// What is to travel first, of real file systems: a copy that has nothing else can be mounted, and
// what the machine boots from is in it byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/e2e/agent/boot/part_copy.h"
#include "tests/e2e/agent/crash/mounts.h"
#include "tests/e2e/agent/loop_device.h"

namespace godwit::agent {
namespace {

namespace fs = std::filesystem;
using ::godwit::testing::LoopDevice;
using ::godwit::testing::Mounted;
using ::godwit::testing::TempDir;

struct Kind {
  const char* name;
  const char* type;
  std::vector<std::string> options;  // of mkfs
  bool partition = false;            // in one that begins at an odd sector
};
constexpr std::uint64_t kDisk = std::uint64_t{1} << 30;
constexpr std::uint64_t kPartitionSector = 2047;

class BootFilesTest : public ::testing::TestWithParam<Kind> {
 protected:
  static void SetUpTestSuite() { ASSERT_OK(::godwit::testing::EnterOwnMounts()); }
  void SetUp() override {
    if (GetParam().partition) {
      RunProgram({"/bin/sh", "-c",
                  absl::StrCat("echo ", kPartitionSector, ",,L | sfdisk -q ", disk_.path(),
                               " && partx -u ", disk_.path())},
                 log_);
      device_ = disk_.path() + "p1";
    }
    std::vector<std::string> mkfs = {absl::StrCat("/usr/sbin/mkfs.", GetParam().type), "-q"};
    mkfs.insert(mkfs.end(), GetParam().options.begin(), GetParam().options.end());
    mkfs.push_back(device_);
    RunProgram(mkfs, log_);
    Mount();
  }
  void TearDown() override {
    mounted_.reset();
    if (GetParam().partition) RunProgram({"/usr/bin/partx", "-d", disk_.path()}, log_);
    fs::remove(image_);
    fs::remove("/mnt/disk.raw");
  }
  void Mount() {
    ASSERT_OK_AND_ASSIGN(Mounted mounted, Mounted::Mount(device_, root_, GetParam().type));
    mounted_ = std::move(mounted);
  }

  void Write(const std::string& name, std::size_t bytes) {
    fs::create_directories(fs::path(root_ + name).parent_path());
    std::ofstream out(root_ + name, std::ios::binary | std::ios::app);
    std::string content(bytes, '\0');
    for (char& each : content) each = static_cast<char>(random_());
    out << content;
  }
  // Its content lies in many places.
  void WriteScattered(const std::string& name, int places) {
    constexpr int kPlace = 8192;
    Write(name, static_cast<std::size_t>(2 * places * kPlace));
    const Fd fd(open((root_ + name).c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(fd.valid());
    for (int i = 0; i < places; ++i) {
      ASSERT_EQ(fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          off_t{2} * i * kPlace, kPlace),
                0);
    }
  }
  void MakeMachine() {
    for (const char* folder : {"/usr/lib", "/usr/bin", "/usr/sbin", "/var/lib/godwit-agent"})
      fs::create_directories(root_ + folder);
    fs::create_symlink("usr/lib", root_ + "/lib");
    fs::create_symlink("usr/bin", root_ + "/bin");
    Write("/srv/large", 12 << 20);
    Write("/usr/lib/os-release", 300);
    Write("/usr/bin/true", 40000);
    for (int i = 0; i < 120; ++i) Write(absl::StrCat("/usr/bin/program", i), 5000);
    Write("/boot/vmlinuz-6.1.0", 3 << 20);
    Write("/boot/initrd.img-6.1.0", 4 << 20);
    Write("/boot/grub/grub.cfg", 9000);
    WriteScattered("/boot/scattered", 60);
    for (int i = 0; i < 250; ++i)
      Write(absl::StrCat("/etc/part", i % 17, "/file", i), 100 + 317 * static_cast<unsigned>(i));
    for (int i = 0; i < 400; ++i)
      Write(absl::StrCat("/etc/ssl/certs/a-certificate-with-a-long-name-", i), 1500);
    fs::create_symlink("../usr/lib/os-release", root_ + "/etc/os-release");
    fs::create_symlink(std::string(200, 'x') + "/nowhere", root_ + "/etc/long-link");
    fs::create_directory(root_ + "/etc/empty");
    for (int i = 0; i < 300; ++i)
      Write(absl::StrCat("/usr/lib/modules/6.1.0/kernel/drivers/d", i % 23, "/module", i, ".ko"),
            20000);
    Write("/usr/lib/modules/6.1.0/modules.dep", 500000);
    Write("/srv/larger", 12 << 20);
    // As after a boot: what was written long ago is where it belongs.
    mounted_.reset();
    Mount();
  }
  FirstPlan Plan(const Picker::Limits& limits = {}) {
    struct stat info;
    GODWIT_CHECK(stat(device_.c_str(), &info) == 0);
    return PlanFirstBlocks(
        {DiskToPick(disk_.path(), kDisk)},
        {.disks = {absl::StrCat(disk_.major_number(), ":", disk_.minor_number())},
         .mountinfo = ReadFile("/proc/self/mountinfo").value_or(""),
         .devices = {absl::StrCat(major(info.st_rdev), ":", minor(info.st_rdev))},
         .root = root_},
        limits);
  }
  // Path from `root` on -> what is there, of everything below `top`.
  static std::map<std::string, std::string> Tree(const std::string& root, const std::string& top,
                                                 bool content) {
    std::map<std::string, std::string> tree;
    for (const auto& entry : fs::recursive_directory_iterator(root + top)) {
      std::string& what = tree[entry.path().string().substr(root.size())];
      if (entry.is_symlink()) {
        what = "-> " + fs::read_symlink(entry).string();
      } else if (entry.is_directory()) {
        what = "folder";
      } else {
        what = absl::StrCat("file of ", entry.file_size());
        if (content)
          absl::StrAppend(&what, ": ", ReadFile(entry.path().string(), 64 << 20).value());
      }
    }
    return tree;
  }

  TempDir dir_;
  const std::string log_ = dir_ / "log", root_ = "/mnt/source";
  // In memory.
  const std::string image_ = "/mnt/copy.raw";
  LoopDevice disk_{"/mnt/disk.raw", kDisk};
  std::string device_ = disk_.path();
  std::optional<Mounted> mounted_;
  std::mt19937 random_{5};
};

TEST_P(BootFilesTest, ACopyOfThemAloneHasWhatTheMachineBootsFrom) {
  MakeMachine();
  const absl::Time from = absl::Now();
  const FirstPlan plan = Plan();
  const absl::Duration took = absl::Now() - from;
  EXPECT_THAT(plan.left_out, ::testing::IsEmpty());
  const std::uint64_t copied = CopyPlanned(DiskToPick(disk_.path(), kDisk), plan, image_);
  std::printf("%s: %.1f MiB first, found in %s\n", GetParam().name,
              static_cast<double>(copied) / (1 << 20), absl::FormatDuration(took).c_str());
  // 24 MiB are in /srv, which nobody wants.
  EXPECT_LT(copied, 32 << 20);

  LoopDevice copy(image_, kDisk);
  std::string device = copy.path();
  if (GetParam().partition) {
    RunProgram({"/usr/bin/partx", "-a", copy.path()}, log_);
    device += "p1";
  }
  {
    ASSERT_OK_AND_ASSIGN(const Mounted mounted,
                         Mounted::Mount(device, "/mnt/copy", GetParam().type, MS_RDONLY,
                                        GetParam().type == std::string("xfs")    ? "norecovery"
                                        : GetParam().type == std::string("ext2") ? ""
                                                                                 : "noload"));
    const std::string at = mounted.folder();
    for (const char* top : {"/etc", "/boot"})
      EXPECT_TRUE(Tree(at, top, true) == Tree(root_, top, true)) << top;
    for (const char* top : {"/usr/lib/modules", "/usr/bin", "/var/lib"})
      EXPECT_EQ(Tree(at, top, false), Tree(root_, top, false));
    for (const char* file :
         {"/etc/os-release", "/lib/modules/6.1.0/modules.dep", "/bin/true", "/lib/os-release"})
      EXPECT_TRUE(ReadFile(at + file).value() == ReadFile(root_ + file).value()) << file;
    // What was not wanted is not there.
    EXPECT_FALSE(ReadFile(at + "/srv/large", 64 << 20) == ReadFile(root_ + "/srv/large", 64 << 20));
  }
  // A journal without content: also who replays it finds what was wanted.
  if (GetParam().type == std::string("ext4")) {
    ASSERT_OK_AND_ASSIGN(const Mounted mounted,
                         Mounted::Mount(device, "/mnt/copy", GetParam().type, MS_RDONLY));
    EXPECT_TRUE(Tree(mounted.folder(), "/boot", true) == Tree(root_, "/boot", true));
  }
  if (GetParam().partition) RunProgram({"/usr/bin/partx", "-d", copy.path()}, log_);
}

class BootFilesLimitTest : public BootFilesTest {};

TEST_P(BootFilesLimitTest, ALimitEndsTheLookAndLeavesWhatItHas) {
  for (int i = 0; i < 100; ++i) Write(absl::StrCat("/etc/file", i), 3 << 16);
  mounted_.reset();
  Mount();
  constexpr std::uint64_t kLimit = 16 << 20;
  const FirstPlan plan = Plan({.bytes = kLimit});
  ASSERT_EQ(plan.left_out.size(), 1u);
  EXPECT_THAT(plan.left_out[0], ::testing::HasSubstr("more than"));
  EXPECT_EQ(CopyPlanned(DiskToPick(disk_.path(), kDisk), plan, image_), kLimit);
  EXPECT_THAT(Plan({.names = 50}).left_out,
              ::testing::ElementsAre(::testing::HasSubstr("more than 50 names")));
}

std::string NameOfKind(const ::testing::TestParamInfo<Kind>& info) { return info.param.name; }

const Kind kExt4{"ext4", "ext4", {"-O", "64bit,flex_bg,metadata_csum,inline_data"}};
const Kind kXfs{"xfs", "xfs", {"-d", "agcount=7"}};

INSTANTIATE_TEST_SUITE_P(
    Of, BootFilesTest,
    ::testing::Values(kExt4, kXfs,
                      Kind{"ext4_in_a_partition",
                           "ext4",
                           {"-b", "1024", "-O", "orphan_file,^resize_inode,meta_bg"},
                           true},
                      Kind{"ext2", "ext2", {}},
                      Kind{"xfs_in_a_partition", "xfs", {"-b", "size=1024"}, true}),
    NameOfKind);
INSTANTIATE_TEST_SUITE_P(Of, BootFilesLimitTest, ::testing::Values(kExt4, kXfs), NameOfKind);

}  // namespace
}  // namespace godwit::agent
