// A staging store without room: a clear error, nothing lost, and work goes on when there is room
// again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::store {
namespace {

using ::godwit::testing::LoopDevice;
using ::godwit::testing::Process;
using ::godwit::testing::TempDir;

constexpr char kServer[] = "s-0123456789abcdef0";
constexpr std::uint64_t kBlocks = 1024;

class FullStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(Process format,
                         Process::Start({.command = {"/sbin/mkfs.ext4", "-q", device_.path()},
                                         .log = dir_ / "log"}));
    ASSERT_EQ(*format.Wait(absl::Seconds(30)), 0) << format.Log();
    ASSERT_OK(MakeDirs(dir_ / "small"));
    ASSERT_EQ(mount(device_.path().c_str(), (dir_ / "small").c_str(), "ext4", 0, ""), 0);
    ASSERT_OK_AND_ASSIGN(store_, OpenFileStore(dir_ / "small/store"));
    Open(1);
  }
  void TearDown() override {
    group_.reset();
    EXPECT_EQ(umount2((dir_ / "small").c_str(), 0), 0) << std::strerror(errno);
  }
  void Open(std::int64_t generation) {
    group_.reset();
    ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, generation,
                                                   {{.disk_id = "d-00000000000000001",
                                                     .device_name = "/dev/sda",
                                                     .size_bytes = kBlocks * block::kBlockSize,
                                                     .is_boot_disk = true}}));
  }
  absl::Status Write(std::uint64_t first, int value) {
    std::memset(buffer_.data(), value, buffer_.size());
    return group_->Write(0, first, buffer_.bytes());
  }

  TempDir dir_;
  LoopDevice device_{dir_ / "image", std::uint64_t{48} << 20};
  block::AlignedBuffer buffer_{16 * block::kBlockSize};
  std::unique_ptr<Store> store_;
  std::shared_ptr<Group> group_;
};

TEST_F(FullStoreTest, SaysSoAndLosesNothing) {
  ASSERT_OK(Write(0, 1));
  ASSERT_OK_AND_ASSIGN(const PointFacts first, group_->Commit({.epoch = 1}));
  const std::string filler = dir_ / "small/filler";
  ASSERT_OK(WriteFileAtomically(filler, std::string(20 << 20, 'f')));
  absl::Status status;
  for (std::uint64_t block = 16; status.ok() && block < kBlocks; block += 16) {
    status = Write(block, 2);
    if (status.ok()) status = group_->Sync();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status.ToString();
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("No space left"));
  // Room again: the group goes on, opened anew as its worker does, and the point is what it was.
  std::filesystem::remove(filler);
  Open(2);
  EXPECT_EQ(group_->committed_epoch(), 1);
  EXPECT_EQ(group_->Points(10)[0].root_hash, first.root_hash);
  ASSERT_OK(Write(32, 3));
  ASSERT_OK(group_->Commit({.epoch = 2}).status());
  ASSERT_OK_AND_ASSIGN(const auto clone, group_->CreateClone("c-0123456789abcdef0", 1));
  const std::string raw = dir_ / "point.raw";
  ASSERT_OK_AND_ASSIGN(
      Process convert,
      Process::Start({.command = {"/usr/bin/qemu-img", "convert", "-O", "raw", clone[0].path, raw},
                      .log = dir_ / "log"}));
  ASSERT_EQ(*convert.Wait(absl::Seconds(30)), 0) << convert.Log();
  ASSERT_OK_AND_ASSIGN(const std::string content, ReadFile(raw, kBlocks * block::kBlockSize + 1));
  std::string expected(kBlocks * block::kBlockSize, '\0');
  std::memset(expected.data(), 1, 16 * block::kBlockSize);
  EXPECT_TRUE(content == expected);
}

}  // namespace
}  // namespace godwit::store
