// The store against a model: what a disk contained at each point is kept beside and every point is
// compared byte for byte, read by qemu-img, which knows nothing of this code. With
// GODWIT_TEST_ENCRYPTED=1 in the environment all of it is done in an encrypted group.
#pragma once

#include "services/replication/worker/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/replication/worker/store/digests.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/services/replication/worker/store/store_backend.h"

namespace godwit::store {

using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

inline constexpr char kServer[] = "s-0123456789abcdef0";
inline constexpr char kClone[] = "c-0123456789abcdef0";

// Two disks, the second with a short last block.
inline std::vector<DiskSpec> Disks() {
  return {{.disk_id = "d-00000000000000001",
           .device_name = "/dev/sda",
           .size_bytes = 40 * block::kBlockSize,
           .is_boot_disk = true},
          {.disk_id = "d-00000000000000002",
           .device_name = "/dev/sdb",
           .size_bytes = 25 * block::kBlockSize + 1536}};
}

inline absl::Status RunProgram(const std::vector<std::string>& command, const std::string& log) {
  auto process = Process::Start({.command = command, .log = log});
  if (!process.ok()) return process.status();
  const auto status = process->Wait(absl::Seconds(60));
  if (!status.ok()) return status.status();
  return *status == 0 ? absl::OkStatus() : absl::InternalError(process->Log());
}

using Content = std::vector<std::string>;  // of each disk

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    backend_ = MakeBackend(dir_.path());
    ASSERT_OK_AND_ASSIGN(store_, backend_->Open());
    for (const DiskSpec& disk : Disks()) now_.emplace_back(disk.size_bytes, '\0');
    Open(1);
  }
  void Open(std::int64_t generation) {
    group_.reset();
    ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, generation, Disks()));
    generation_ = generation;
    ExpectPromoted();
  }
  absl::Status Write(std::size_t disk, std::uint64_t first, std::uint64_t count, char seed) {
    const std::size_t from = first * block::kBlockSize;
    const std::size_t size =
        std::min<std::size_t>(count * block::kBlockSize, now_[disk].size() - from);
    block::AlignedBuffer buffer(size);
    for (std::size_t i = 0; i < size; ++i)
      buffer.data()[i] = static_cast<std::uint8_t>(seed + i / 512 + i % 7);
    std::memcpy(now_[disk].data() + from, buffer.data(), size);
    return group_->Write(disk, first, buffer.bytes());
  }
  absl::Status Patch(std::size_t disk, std::uint64_t sector, std::uint64_t count, char seed) {
    std::vector<std::uint8_t> bytes(count * 512);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(seed + i / 512 + i % 11);
    }
    std::memcpy(now_[disk].data() + sector * 512, bytes.data(), bytes.size());
    return group_->Patch(disk, {{sector, bytes}});
  }
  absl::Status Zero(std::size_t disk, std::uint64_t first, std::uint64_t count) {
    const std::size_t from = first * block::kBlockSize;
    const std::size_t size =
        std::min<std::size_t>(count * block::kBlockSize, now_[disk].size() - from);
    std::memset(now_[disk].data() + from, 0, size);
    return group_->Zero(disk, first, count);
  }
  std::string Root(const Content& content) {
    RootHash root;
    const std::vector<DiskSpec> disks = Disks();
    for (std::size_t i = 0; i < disks.size(); ++i) {
      DigestList digests(disks[i].size_bytes);
      for (std::uint64_t b = 0; b < digests.size(); ++b) {
        const std::size_t from = b * block::kBlockSize;
        const std::size_t size = std::min<std::size_t>(block::kBlockSize, content[i].size() - from);
        digests.Set(b,
                    block::DigestOf(
                        {reinterpret_cast<const std::uint8_t*>(content[i].data()) + from, size}));
      }
      root.Add(disks[i].disk_id, disks[i].size_bytes, digests.DiskHash());
    }
    return root.Hex();
  }
  void Commit(bool interim = false) {
    ASSERT_OK_AND_ASSIGN(const PointFacts facts,
                         group_->Commit({.epoch = group_->committed_epoch() + 1,
                                         .cut_time = absl::Now(),
                                         .consistency = 1,
                                         .interim = interim}));
    interim_.clear();
    if (facts.interim) {
      interim_[facts.epoch] = now_;
      return;
    }
    points_[facts.epoch] = now_;
    EXPECT_EQ(facts.root_hash, Root(now_)) << "epoch " << facts.epoch;
  }
  // The last interim epoch, if there is one, must have become a point.
  void ExpectPromoted() {
    if (interim_.empty()) return;
    ASSERT_EQ(group_->Points(1).front().epoch, interim_.begin()->first);
    points_.merge(interim_);
    interim_.clear();
  }
  // Through a clone, as a launched machine would see it.
  void ExpectPoint(std::int64_t epoch) {
    ASSERT_OK_AND_ASSIGN(const auto clone, group_->CreateClone(kClone, epoch));
    ExpectClone(clone, epoch);
    ASSERT_OK(group_->DeleteClone(kClone));
  }
  void ExpectClone(const std::vector<CloneFile>& clone, std::int64_t epoch) {
    for (std::size_t i = 0; i < clone.size(); ++i) {
      const std::string raw = dir_ / "out.raw";
      ASSERT_OK(
          backend_->QemuImg({"convert", "-O", "raw"}, clone[i].path, {raw}, dir_ / "qemu.log"));
      ASSERT_OK(backend_->QemuImg({"check"}, clone[i].path, {}, dir_ / "qemu.log"));
      ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(raw));
      EXPECT_TRUE(bytes == points_[epoch][i]) << "disk " << i << " of epoch " << epoch;
    }
  }
  TempDir dir_;
  std::unique_ptr<StoreBackend> backend_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Group> group_;
  std::int64_t generation_ = 0;
  Content now_;
  std::map<std::int64_t, Content> points_;
  std::map<std::int64_t, Content> interim_;  // at most one
};

}  // namespace godwit::store
