// What a machine boots from is at the worker long before everything else, and can be read there.
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "agent/boot/plan.h"
#include "tests/e2e/agent/boot/part_copy.h"
#include "tests/e2e/agent/replication_rig.h"

namespace godwit::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kDisk = std::uint64_t{48} << 20;

class FirstTest : public ReplicationRig {
 protected:
  void SetUp() override {
    settings_.mutable_cut_interval()->set_seconds(1);
    max_redo_bytes_ = 4 << 20;  // no cut before nearly everything was sent
    // Mounts of this process alone.
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    RunProgram({"/usr/sbin/mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0",
                disk_.loop.path()},
               log_);
    fs::create_directory(root_ = dir_ / "source");
    Mount(disk_.loop.path(), root_, 0, "");
    Write("/srv/before", 10 << 20);
    Write("/boot/vmlinuz", 2 << 20);
    for (int i = 0; i < 50; ++i) Write(absl::StrCat("/etc/", i % 5, "/file", i), 3000);
    Write("/srv/after", 10 << 20);
    ASSERT_EQ(umount2(root_.c_str(), 0), 0);
    Mount(disk_.loop.path(), root_, 0, "");
    devices_ = {disk_.device_number()};
    ReplicationRig::SetUp();
  }
  void TearDown() override {
    umount2(root_.c_str(), MNT_DETACH);
    ReplicationRig::TearDown();
  }
  void Mount(const std::string& device, const std::string& folder, unsigned long flags,
             const char* options) {
    ASSERT_EQ(mount(device.c_str(), folder.c_str(), "ext4", flags, options), 0) << strerror(errno);
  }
  void Write(const std::string& name, std::size_t bytes) {
    fs::create_directories(fs::path(root_ + name).parent_path());
    std::string content(bytes, '\0');
    for (char& each : content) each = static_cast<char>(random_());
    std::ofstream(root_ + name, std::ios::binary) << content;
  }
  template <typename Condition>
  bool Await(const Condition& condition) {
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
  std::string Base() {
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "store")) {
      if (entry.path().filename() == "base.raw") return entry.path().string();
    }
    return "";
  }
  // Of those in `blocks`, how many of the replica's base are as on the disk.
  std::size_t Same(const std::vector<std::uint64_t>& blocks) {
    const std::string source = disk_.loop.Read(), base = ReadFile(Base(), kDisk + 1).value();
    return static_cast<std::size_t>(
        std::count_if(blocks.begin(), blocks.end(), [&](std::uint64_t block) {
          return source.compare(block * kBlockSize, kBlockSize, base, block * kBlockSize,
                                kBlockSize) == 0;
        }));
  }
  void ExpectReplicaEqualsSource() {
    const std::string request = NewUuid();
    Direct(request);
    const std::int64_t epoch = AwaitPoint(request);
    Direct("");
    const std::string raw = dir_ / "clone.raw";
    ExportPoint(epoch, {raw});
    EXPECT_TRUE(ReadFile(raw, kDisk + 1).value() == disk_.loop.Read());
    fs::remove(raw);
  }

  const std::string log_ = dir_ / "log";
  SourceLoop& disk_ = AddDisk("disk", kDisk);
  std::mt19937 random_{3};
};

TEST_F(FirstTest, TheBaseInTheMiddleOfInitialSyncHasWhatTheMachineBootsFrom) {
  const FirstPlan plan = PlanFirstBlocks({DiskToPick(disk_.loop.path(), kDisk)},
                                         {.disks = {disk_.device_number()},
                                          .mountinfo = ReadFile("/proc/self/mountinfo").value(),
                                          .devices = devices_,
                                          .root = root_},
                                         {});
  std::vector<std::uint64_t> first, others;
  for (const FirstRun& run : plan.runs) {
    for (std::uint64_t i = 0; i < run.count; ++i) first.push_back(run.first + i);
  }
  const std::string content = disk_.loop.Read();
  for (std::uint64_t block = 0; block < kDisk / kBlockSize; ++block) {
    if (std::find(first.begin(), first.end(), block) == first.end() &&
        content.find_first_not_of('\0', block * kBlockSize) < (block + 1) * kBlockSize)
      others.push_back(block);
  }
  ASSERT_GT(others.size(), 250u);

  settings_.set_bandwidth_limit_bytes_per_second(4 << 20);
  StartAgent();
  ASSERT_TRUE(Await([&] { return absl::StrContains(engine_->FirstBlocksText(), "since"); }))
      << engine_->FirstBlocksText();
  settings_.set_sending_paused(true);
  Direct("");
  EXPECT_EQ(engine_->Progress().phase(), pb::AgentProgress::INITIAL_SYNC);
  EXPECT_EQ(Same(first), first.size());
  EXPECT_LT(Same(others), others.size() / 2);
  std::printf("first: %zu blocks, of the %zu others %zu are there\n", first.size(), others.size(),
              Same(others));
  {
    const std::string image = dir_ / "look", at = dir_ / "looked";
    fs::copy_file(Base(), image);
    fs::create_directory(at);
    LoopDevice copy(image, kDisk);
    Mount(copy.path(), at, MS_RDONLY, "noload");
    for (const char* file : {"/boot/vmlinuz", "/etc/0/file0", "/etc/4/file49"})
      EXPECT_TRUE(ReadFile(at + file).value() == ReadFile(root_ + file).value()) << file;
    EXPECT_EQ(umount2(at.c_str(), 0), 0);
  }

  // The next agent goes on, and need not send it again.
  StopAgent();
  StartAgent();
  EXPECT_TRUE(resumed_);
  EXPECT_TRUE(Await([&] { return absl::StrContains(engine_->FirstBlocksText(), "since"); }))
      << engine_->FirstBlocksText();

  // And then everything, as ever.
  ASSERT_EQ(umount2(root_.c_str(), 0), 0);
  settings_.clear_sending_paused();
  settings_.clear_bandwidth_limit_bytes_per_second();
  ExpectReplicaEqualsSource();

  // Compared as a whole, because what changed meanwhile is not known.
  engine_->Stop();
  ASSERT_OK(engine_->Detach());
  Mount(disk_.loop.path(), root_, 0, "");
  Write("/etc/1/file1", 5000);
  Write("/srv/after", 3 << 20);
  ASSERT_EQ(umount2(root_.c_str(), 0), 0);
  Mount(disk_.loop.path(), root_, 0, "");
  StartAgent();
  ASSERT_TRUE(Await([&] { return absl::StrContains(engine_->FirstBlocksText(), "since"); }))
      << engine_->FirstBlocksText();
  ASSERT_EQ(umount2(root_.c_str(), 0), 0);
  ExpectReplicaEqualsSource();
}

}  // namespace
}  // namespace godwit::agent
