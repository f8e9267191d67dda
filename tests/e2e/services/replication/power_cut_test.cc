// A power cut in the middle of the worker's work. The store lives in an ext4 whose block device is
// a file on XFS; a reflink of that file taken while the store is busy is what the disk would have
// held had the power failed at that instant: completed writes without what was still in memory.
// Every such image is mounted (the journal is replayed), the store is opened, and everything that
// was promised must be in it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/crypt/qemu_image.h"
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
constexpr std::uint64_t kBlocks = 64;
// Version of each block: every 8 bytes of its content.
using Versions = std::vector<std::uint64_t>;

std::vector<DiskSpec> Disks() {
  return {{.disk_id = "d-00000000000000001",
           .device_name = "/dev/sda",
           .size_bytes = kBlocks * block::kBlockSize,
           .is_boot_disk = true}};
}

void RunTool(const std::vector<std::string>& command, const std::string& log) {
  ASSERT_OK_AND_ASSIGN(Process process, Process::Start({.command = command, .log = log}));
  ASSERT_OK_AND_ASSIGN(const int status, process.Wait(absl::Seconds(60)));
  ASSERT_EQ(status, 0) << process.Log();
}

class Mounted {
 public:
  Mounted(const std::string& device, const std::string& where, const char* type) : where_(where) {
    EXPECT_OK(MakeDirs(where));
    EXPECT_EQ(mount(device.c_str(), where.c_str(), type, 0, ""), 0) << std::strerror(errno);
  }
  ~Mounted() { EXPECT_EQ(umount2(where_.c_str(), 0), 0) << std::strerror(errno); }

 private:
  const std::string where_;
};

// Plain and in an encrypted group.
class PowerCutTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { ASSERT_OK(crypt::AddMasterKey(keys_).status()); }
  absl::StatusOr<std::shared_ptr<Group>> OpenGroup(Store& store, std::int64_t generation) {
    return GetParam() ? store.OpenEncryptedGroup(kServer, generation, Disks())
                      : store.OpenGroup(kServer, generation, Disks());
  }
  // The content of a point: the version of every block, from all of its bytes. *torn: the lowest
  // version found in a block.
  void ReadPoint(Group& group, std::int64_t epoch, Versions* lowest, Versions* highest) {
    ASSERT_OK_AND_ASSIGN(const auto clone, group.CreateClone("c-0123456789abcdef0", epoch));
    const std::string raw = dir_ / "point.raw";
    ASSERT_OK_AND_ASSIGN(const auto image, crypt::QemuImage::Open(clone[0].path, keys_));
    ASSERT_EQ(image.encrypted(), GetParam());
    std::vector<std::string> convert = {"/usr/bin/qemu-img", "convert", "-O", "raw"};
    if (image.encrypted()) {
      const std::string secret = dir_ / "passphrase";
      ASSERT_OK(WriteFileAtomically(secret, image.key()->passphrase().bytes()));
      convert.insert(convert.end(), {"--object", "secret,id=godwit,file=" + secret});
    }
    convert.insert(convert.end(), {image.Url(), raw});
    RunTool(convert, dir_ / "qemu.log");
    ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(raw));
    ASSERT_OK(group.DeleteClone("c-0123456789abcdef0"));
    lowest->assign(kBlocks, UINT64_MAX);
    highest->assign(kBlocks, 0);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      std::uint64_t version = 0;
      std::memcpy(&version, bytes.data() + at, 8);
      std::uint64_t& low = (*lowest)[at / block::kBlockSize];
      std::uint64_t& high = (*highest)[at / block::kBlockSize];
      low = std::min(low, version);
      high = std::max(high, version);
    }
  }

  TempDir dir_;
  const std::string keys_ = dir_ / "master.keys";
  absl::Mutex mutex_;
  Versions durable_ ABSL_GUARDED_BY(mutex_) = Versions(kBlocks);
  std::map<std::int64_t, Versions> points_ ABSL_GUARDED_BY(mutex_);
};

TEST_P(PowerCutTest, WhatWasPromisedIsThere) {
  LoopDevice outer(dir_ / "outer.img", std::uint64_t{2} << 30);
  RunTool({"/sbin/mkfs.xfs", "-q", "-m", "reflink=1", outer.path()}, dir_ / "mkfs.log");
  const Mounted outer_mount(outer.path(), dir_ / "outer", "xfs");
  const std::string disk = dir_ / "outer/disk.img";
  std::map<int, std::pair<Versions, std::map<std::int64_t, Versions>>> promised;  // of each image
  {
    LoopDevice inner(disk, std::uint64_t{256} << 20);
    RunTool({"/sbin/mkfs.ext4", "-q", inner.path()}, dir_ / "mkfs.log");
    const Mounted inner_mount(inner.path(), dir_ / "inner", "ext4");
    ASSERT_OK_AND_ASSIGN(const auto store, OpenFileStore(dir_ / "inner/store", keys_));
    ASSERT_OK_AND_ASSIGN(const auto group, OpenGroup(*store, 1));
    std::atomic<bool> done = false;
    std::thread worker([&] {
      std::mt19937 random(1);
      Versions now(kBlocks);
      block::AlignedBuffer buffer(block::kBlockSize);
      for (std::uint64_t version = 1; !done; ++version) {
        const std::uint64_t block = random() % kBlocks;
        for (std::size_t at = 0; at < buffer.size(); at += 8)
          std::memcpy(buffer.data() + at, &version, 8);
        EXPECT_OK(group->Write(0, block, buffer.bytes()));
        now[block] = version;
        if (version % 5 == 0) {
          EXPECT_OK(group->Sync());
          absl::MutexLock lock(&mutex_);
          durable_ = now;
        }
        if (version % 40 == 0) {
          const auto facts = group->Commit({.epoch = group->committed_epoch() + 1});
          EXPECT_OK(facts.status());
          absl::MutexLock lock(&mutex_);
          durable_ = now;
          points_[facts->epoch] = now;
        }
        if (version % 300 == 0) EXPECT_OK(group->DeletePoints({group->committed_epoch() - 2}));
      }
    });
    // However the test ends, the thread does before the file systems go.
    const absl::Cleanup join = [&] {
      done = true;
      if (worker.joinable()) worker.join();
    };
    std::mt19937 random(2);
    const Fd source(open(disk.c_str(), O_RDONLY | O_CLOEXEC));
    for (int cut = 0; cut < 8; ++cut) {
      absl::SleepFor(absl::Milliseconds(100 + random() % 400));
      {
        absl::MutexLock lock(&mutex_);
        promised[cut] = {durable_, points_};
      }
      const Fd image(open((dir_ / absl::StrCat("outer/cut", cut)).c_str(),
                          O_RDWR | O_CREAT | O_CLOEXEC, 0600));
      ASSERT_EQ(ioctl(image.get(), FICLONE, source.get()), 0) << std::strerror(errno);
    }
  }
  for (const auto& [cut, promise] : promised) {
    const auto& [durable, points] = promise;
    LoopDevice image(dir_ / absl::StrCat("outer/cut", cut), std::uint64_t{256} << 20);
    const Mounted mounted(image.path(), dir_ / "after", "ext4");
    ASSERT_OK_AND_ASSIGN(const auto store, OpenFileStore(dir_ / "after/store", keys_));
    ASSERT_OK_AND_ASSIGN(const auto group, OpenGroup(*store, 1 + cut % 2));
    Versions lowest, highest;
    const std::int64_t newest = points.empty() ? 0 : points.rbegin()->first;
    EXPECT_GE(group->committed_epoch(), newest) << "cut " << cut;
    std::size_t compared = 0;
    for (const PointFacts& point : group->Points(1000)) {
      if (!points.contains(point.epoch)) continue;  // made after the promise was written down
      ReadPoint(*group, point.epoch, &lowest, &highest);
      EXPECT_EQ(lowest, points.at(point.epoch)) << "cut " << cut << " point " << point.epoch;
      EXPECT_EQ(highest, points.at(point.epoch));
      ++compared;
    }
    EXPECT_EQ(compared > 0, newest > 0);
    // What was durable and not yet in a point; newer content may be there, older may not.
    ASSERT_OK_AND_ASSIGN(const PointFacts next,
                         group->Commit({.epoch = group->committed_epoch() + 1}));
    ReadPoint(*group, next.epoch, &lowest, &highest);
    for (std::uint64_t block = 0; block < kBlocks; ++block) {
      EXPECT_GE(lowest[block], durable[block]) << "cut " << cut << " block " << block;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(PlainAndEncrypted, PowerCutTest, ::testing::Bool());

}  // namespace
}  // namespace godwit::store
