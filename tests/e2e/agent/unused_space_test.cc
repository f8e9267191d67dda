// What is called unused, on real file systems: never a block of a file, nearly all of what is free.
#include "agent/engine/unused_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "agent/tracker/ebpf_tracker.h"
#include "services/common/base/ids.h"
#include "services/common/block/block.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using block::kBlockSize;
using ::godwit::testing::LoopDevice;
using ::godwit::testing::Process;
using ::godwit::testing::TempDir;

constexpr char kMarker[] = "a page of a file that is still there";

class UnusedSpaceTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    Run({absl::StrCat("/usr/sbin/mkfs.", GetParam()), "-q", loop_.path()});
    std::filesystem::create_directory(mount_);
    ASSERT_EQ(mount(loop_.path().c_str(), mount_.c_str(), GetParam(), 0, nullptr), 0);
  }
  void TearDown() override { EXPECT_EQ(umount2(mount_.c_str(), MNT_DETACH), 0); }
  void Run(const std::vector<std::string>& command) {
    ASSERT_OK_AND_ASSIGN(Process process,
                         Process::Start({.command = command, .log = dir_ / "log"}));
    ASSERT_OK_AND_ASSIGN(const int status, process.Wait(absl::Seconds(60)));
    ASSERT_EQ(status, 0) << process.Log();
  }
  void WriteFile(const std::string& name, int pages) {
    std::string page(4096, 'x');
    std::memcpy(page.data(), kMarker, sizeof kMarker);
    std::ofstream out(mount_ + "/" + name, std::ios::binary);
    for (int i = 0; i < pages; ++i) out << page;
  }
  std::vector<bool> Unused() {
    const std::string device = absl::StrCat(loop_.major_number(), ":", loop_.minor_number());
    const std::string mountinfo = ReadFile("/proc/self/mountinfo").value_or("");
    std::vector<bool> unused(loop_.bytes() / kBlockSize);
    for (const BlockRun& run : UnusedBlocks(loop_.path(), FileSystemsOn(mountinfo, {device}), "")) {
      EXPECT_LE(run.first + run.count, unused.size());
      for (std::uint64_t i = 0; i < run.count; ++i) unused.at(run.first + i) = true;
    }
    return unused;
  }
  // Pages with the marker in blocks that are, and are not, in `blocks`.
  std::pair<int, int> MarkedPages(const std::vector<bool>& blocks) {
    const std::string content = loop_.Read();
    std::pair<int, int> pages;
    for (std::size_t at = 0; at < content.size(); at += 4096) {
      if (content.compare(at, sizeof kMarker, kMarker, sizeof kMarker) != 0) continue;
      ++(blocks[at / kBlockSize] ? pages.first : pages.second);
    }
    return pages;
  }

  TempDir dir_;
  LoopDevice loop_{dir_ / "disk", std::uint64_t{512} << 20};
  const std::string mount_ = dir_ / "mount";
};

TEST_P(UnusedSpaceTest, FilesAreUsedAndFreeSpaceIsNot) {
  for (int i = 0; i < 50; ++i) WriteFile(absl::StrCat("file", i), 20 * (i % 7));
  WriteFile("large", 10000);
  Run({"/usr/bin/sync", "-f", mount_});
  const std::vector<bool> unused = Unused();
  const auto [lost, kept] = MarkedPages(unused);
  EXPECT_EQ(lost, 0);
  EXPECT_GT(kept, 10000);
  EXPECT_GT(std::count(unused.begin(), unused.end(), true), 0.6 * unused.size());
}

// What fills the space that was unused when the question was asked.
TEST_P(UnusedSpaceTest, WhatIsAllocatedLaterIsMarked) {
  const TrackedDevice device{.disk_id = NewId("d-"),
                             .major = loop_.major_number(),
                             .first_minor = loop_.minor_number(),
                             .size_bytes = loop_.bytes()};
  ASSERT_OK_AND_ASSIGN(const auto tracker, StartEbpfTracker(device));
  ASSERT_OK(tracker->Take(true, [](std::uint64_t) {}));
  std::vector<bool> skipped = Unused();
  WriteFile("later", 5000);
  Run({"/usr/bin/sync", "-f", mount_});
  EXPECT_GT(MarkedPages(skipped).first, 1000);
  ASSERT_OK(tracker->Take(true, [&](std::uint64_t block) { skipped[block] = false; }));
  if (!tracker->TakeLost()) {
    EXPECT_EQ(MarkedPages(skipped).first, 0);
  }
  EXPECT_OK(tracker->Detach());
}

// A deletion must be committed before its blocks count as unused, or a crash would bring the file
// back without them.
TEST_P(UnusedSpaceTest, ADeletionIsCommittedWhenItsBlocksAreUnused) {
  WriteFile("deleted", 20000);
  Run({"/usr/bin/sync", "-f", mount_});
  std::filesystem::remove(mount_ + "/deleted");
  const std::vector<bool> unused = Unused();
  EXPECT_GT(MarkedPages(unused).first + MarkedPages(unused).second, 0)
      << "its pages are there still";
  // What a crash now would leave.
  const std::string image = dir_ / "crash";
  const std::string content = loop_.Read();
  std::ofstream(image, std::ios::binary) << content;
  const std::string crashed = dir_ / "crashed";
  std::filesystem::create_directory(crashed);
  LoopDevice copy(image, loop_.bytes());
  ASSERT_EQ(mount(copy.path().c_str(), crashed.c_str(), GetParam(), 0,
                  std::string(GetParam()) == "xfs" ? "nouuid" : nullptr),
            0);
  EXPECT_FALSE(std::filesystem::exists(crashed + "/deleted"));
  EXPECT_EQ(umount2(crashed.c_str(), MNT_DETACH), 0);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, UnusedSpaceTest, ::testing::Values("ext4", "xfs"));

TEST(UnusedSpace, NothingIsUnusedWhereNobodyCanBeAsked) {
  TempDir dir;
  LoopDevice loop(dir / "disk", 1 << 20);
  EXPECT_TRUE(UnusedBlocks(loop.path(), {}, "").empty());
  EXPECT_TRUE(UnusedBlocks(loop.path(),
                           {{.device = "7:4095", .mount_point = "/", .type = "ext4"},
                            {.device = absl::StrCat(loop.major_number(), ":", loop.minor_number()),
                             .mount_point = "/proc",
                             .type = "ext4"}},
                           "Filename Type Size Used Priority\n/dev/nothing partition 1 0 -2\n")
                  .empty());
  // A swap area on the whole disk: all but its header.
  const std::vector<BlockRun> swap = UnusedBlocks(
      loop.path(), {}, absl::StrCat("Filename\n", loop.path(), "   partition 1024 0 -2\n"));
  ASSERT_EQ(swap.size(), 1u);
  EXPECT_EQ(swap[0].first, 1u);
  EXPECT_EQ(swap[0].count, 15u);
}

}  // namespace
}  // namespace godwit::agent
