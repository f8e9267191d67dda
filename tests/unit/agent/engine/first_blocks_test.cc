#include "agent/engine/first_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/tracker/scan_tracker.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using block::kBlockSize;

class FirstBlocksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b"}) {
      const std::string path = dir_ / name;
      std::ofstream(path).close();
      ASSERT_EQ(truncate(path.c_str(), 32 * kBlockSize), 0);
      ASSERT_OK_AND_ASSIGN(auto tracker, StartScanTracker(path, 32 * kBlockSize, "a test"));
      ASSERT_OK_AND_ASSIGN(disks_.emplace_back(),
                           SourceDisk::Open(name, path, 32 * kBlockSize, std::move(tracker)));
      disks_.back()->SetAllPending();
    }
  }
  // Takes and sends the next ones, as the engine does.
  BlockGroup Send(std::uint32_t most = 16) {
    const BlockGroup group = first_.NextToSend(disks_, most, &disk_);
    if (group.present != 0) disks_[disk_]->Sent(group);
    return group;
  }
  void Expect(const BlockGroup& group, std::uint32_t disk, std::uint64_t first,
              std::uint32_t present) {
    EXPECT_EQ(disk_, disk);
    EXPECT_EQ(group.first_block, first);
    EXPECT_EQ(group.present, present);
  }

  ::godwit::testing::TempDir dir_;
  FirstBlocks::Disks disks_;
  FirstBlocks first_;
  std::uint32_t disk_ = 7;
  const absl::Time now_ = absl::FromUnixSeconds(1767225600);
};

TEST_F(FirstBlocksTest, AreSentInTheirOrderAndAreThereWhenTheyAreDurable) {
  first_.Want({{1, 20, 3}, {0, 4, 1}, {0, 6, 1}, {0, 2, 1}, {0, 30, 10}}, disks_);
  EXPECT_EQ(first_.wanted(), 8u);  // the disk has 32 blocks
  Expect(Send(2), 1, 20, 0b11);
  Expect(Send(2), 1, 22, 0b1);
  Expect(Send(), 0, 4, 0b101);
  Expect(Send(), 0, 2, 0b1);
  Expect(Send(), 0, 30, 0b11);
  EXPECT_EQ(Send().present, 0u);
  EXPECT_FALSE(first_.Sweep(disks_, now_));
  EXPECT_EQ(first_.Text(), "0.0 of 0.5 MiB are there");
  EXPECT_EQ(Send().present, 0u);
  disks_[1]->Durable({20, 0b111});
  disks_[0]->Durable({2, 0b10101});
  EXPECT_FALSE(first_.Sweep(disks_, now_));
  EXPECT_EQ(first_.Text(), "0.4 of 0.5 MiB are there");
  disks_[0]->Durable({30, 0b11});
  EXPECT_TRUE(first_.Sweep(disks_, now_));
  EXPECT_FALSE(first_.Sweep(disks_, now_));
  EXPECT_EQ(first_.Text(), "0.5 MiB are there since 2026-01-01T00:00:00+00:00");
}

TEST_F(FirstBlocksTest, WhatChangesAfterwardsHasToWait) {
  first_.Want({{0, 4, 1}}, disks_);
  Send();
  disks_[0]->Differs(4);  // pending again while it is on its way
  EXPECT_FALSE(first_.Sweep(disks_, now_));
  disks_[0]->Durable({4, 1});
  EXPECT_TRUE(disks_[0]->ToSend(4));
  EXPECT_TRUE(first_.Sweep(disks_, now_));
  EXPECT_EQ(Send().present, 0u);
}

TEST_F(FirstBlocksTest, ABrokenStreamBeginsAnew) {
  first_.Want({{0, 4, 2}}, disks_);
  Send(1);
  disks_[0]->Durable({4, 1});
  EXPECT_FALSE(first_.Sweep(disks_, now_));
  Send(1);
  for (const auto& disk : disks_) disk->ForgetSent();
  first_.Restart();
  Expect(Send(), 0, 5, 0b1);
}

TEST_F(FirstBlocksTest, AreComparedFirstAndSentWhereTheyDiffer) {
  for (const auto& disk : disks_) {
    for (std::uint64_t block = 0; block < 32; ++block) disk->LeaveOut(block, 1);
    disk->SetAllUnverified();
  }
  first_.Want({{1, 20, 3}, {0, 4, 1}}, disks_);
  EXPECT_EQ(Send().present, 0u);
  std::uint64_t block = 0;
  EXPECT_EQ(first_.NextToCompare(disks_, 2, &disk_, &block), 2u);
  EXPECT_EQ(disk_, 1u);
  EXPECT_EQ(block, 20u);
  EXPECT_EQ(first_.NextToCompare(disks_, 2, &disk_, &block), 1u);
  EXPECT_EQ(block, 22u);
  EXPECT_EQ(first_.NextToCompare(disks_, 2, &disk_, &block), 1u);
  EXPECT_EQ(disk_, 0u);
  EXPECT_EQ(first_.NextToCompare(disks_, 2, &disk_, &block), 0u);
  disks_[1]->Verified(20, 3);
  disks_[1]->Differs(21);
  EXPECT_FALSE(first_.Sweep(disks_, now_));
  EXPECT_EQ(first_.NextToCompare(disks_, 2, &disk_, &block), 0u);  // asked, no answer yet
  Expect(Send(), 1, 21, 0b1);
  disks_[1]->Durable({21, 1});
  disks_[0]->Verified(4, 1);
  EXPECT_TRUE(first_.Sweep(disks_, now_));
}

}  // namespace
}  // namespace godwit::agent
