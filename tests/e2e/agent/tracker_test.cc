// The eBPF tracker on a real device: what changed is marked, whatever way it changed.
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "agent/tracker/dirty_layout.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/pins.h"
#include "services/common/base/ids.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using block::kBlockSize;
using ::godwit::testing::LoopDevice;
using ::godwit::testing::TempDir;

class TrackerTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }
  void TearDown() override {
    if (tracker_ != nullptr) EXPECT_OK(tracker_->Detach());
    EXPECT_FALSE(std::filesystem::exists(std::string(kPinRoot) + "/" + device_.disk_id));
  }
  void Start() {
    tracker_.reset();
    ASSERT_OK_AND_ASSIGN(tracker_, StartEbpfTracker(device_));
  }
  std::set<std::uint64_t> Take(bool exact = true) {
    std::set<std::uint64_t> marked;
    EXPECT_OK(tracker_->Take(exact, [&](std::uint64_t block) { marked.insert(block); }));
    return marked;
  }

  TempDir dir_;
  LoopDevice loop_{dir_ / "disk", std::uint64_t{600} << 20};  // three pages of marks
  const TrackedDevice device_{.disk_id = NewId("d-"),
                              .major = loop_.major_number(),
                              .first_minor = loop_.minor_number(),
                              .size_bytes = loop_.bytes()};
  std::unique_ptr<ChangeTracker> tracker_;
};

TEST_F(TrackerTest, WritesAreMarkedOnce) {
  EXPECT_THAT(Take(), ::testing::IsEmpty());
  loop_.Write(5 * kBlockSize + 512, 512, 1);
  loop_.Write(7 * kBlockSize - 512, 1024, 1);
  loop_.Write(loop_.bytes() - 512, 512, 1);
  EXPECT_THAT(Take(), ::testing::ElementsAre(5, 6, 7, loop_.bytes() / kBlockSize - 1));
  EXPECT_THAT(Take(), ::testing::IsEmpty());
  EXPECT_FALSE(tracker_->TakeLost());
}

TEST_F(TrackerTest, DiscardsAndZeroedRangesAreMarkedWhole) {
  // Over a page boundary, with a whole page in between.
  std::uint64_t range[2] = {100 * kBlockSize, std::uint64_t{560} << 20};
  ASSERT_EQ(ioctl(loop_.fd(), BLKDISCARD, range), 0);
  EXPECT_EQ(Take().size(), range[1] / kBlockSize);
  range[0] = 4000 * kBlockSize;
  range[1] = 200 * kBlockSize;
  ASSERT_EQ(ioctl(loop_.fd(), BLKZEROOUT, range), 0);
  const std::set<std::uint64_t> marked = Take();
  EXPECT_EQ(marked.size(), 200u);
  EXPECT_EQ(*marked.begin(), 4000u);
  EXPECT_EQ(*marked.rbegin(), 4199u);
}

TEST_F(TrackerTest, OtherDevicesAreNotMarked) {
  LoopDevice other(dir_ / "other", 1 << 20);
  other.Write(0, 65536, 1);
  EXPECT_THAT(Take(), ::testing::IsEmpty());
}

TEST_F(TrackerTest, TheProgramGoesOnWithoutTheAgent) {
  tracker_->States()[17] = 5;
  tracker_.reset();
  loop_.Write(40 * kBlockSize, 512, 2);
  Start();
  EXPECT_TRUE(tracker_->Resumed());
  EXPECT_FALSE(tracker_->TakeLost());
  EXPECT_EQ(tracker_->States()[17], 5);
  EXPECT_THAT(Take(), ::testing::ElementsAre(40));
}

TEST_F(TrackerTest, PinsOfAnotherDeviceAreNotTakenOver) {
  tracker_.reset();
  TrackedDevice other = device_;
  other.size_bytes -= kBlockSize;
  ASSERT_OK_AND_ASSIGN(tracker_, StartEbpfTracker(other));
  EXPECT_FALSE(tracker_->Resumed());
}

TEST_F(TrackerTest, LossesAndPinsAreSeenFromOutside) {
  EXPECT_EQ(LossesOf(device_.disk_id), "");
  loop_.Resize(device_.size_bytes + 4 * kBlockSize);
  loop_.Write(device_.size_bytes + 512, 512, 1);
  EXPECT_TRUE(tracker_->TakeLost());
  EXPECT_EQ(LossesOf(device_.disk_id), "1 requests outside of the disk");
  tracker_.reset();
  ASSERT_OK(RemovePins(device_.disk_id));
  EXPECT_EQ(LossesOf(device_.disk_id), "");
  ASSERT_OK(RemovePins(device_.disk_id));
  Start();
  EXPECT_FALSE(tracker_->Resumed());
}

TEST_F(TrackerTest, PinsThatSomebodyRemovesDoNotEndTheTrackingOfARunningAgent) {
  tracker_.reset();
  Start();
  ASSERT_TRUE(tracker_->Resumed());
  Take();
  ASSERT_OK(RemovePins(device_.disk_id));
  loop_.Write(7 * kBlockSize, 4096, 1);
  EXPECT_THAT(Take(), ::testing::ElementsAre(7));
  EXPECT_FALSE(tracker_->TakeLost());
}

// Takes while others write: a block whose content differs from the copy made after its last mark
// must be marked again.
TEST_F(TrackerTest, NoChangeIsEverMissed) {
  std::string copy = loop_.Read();
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (unsigned w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(w);
      for (unsigned i = 0; i < 3000; ++i) {
        loop_.Write(random() % (loop_.bytes() / 512 - 16) * 512, 512 * (1 + random() % 16),
                    i * 2 + w);
      }
      done = true;
    });
  }
  const Fd device(open(loop_.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  block::AlignedBuffer buffer(kBlockSize);
  for (bool last = false; !last;) {
    last = done;
    if (last) {
      for (std::thread& writer : writers) writer.join();
    }
    for (const std::uint64_t marked : Take()) {
      ASSERT_EQ(
          pread(device.get(), buffer.data(), kBlockSize, static_cast<off_t>(marked * kBlockSize)),
          kBlockSize);
      std::memcpy(copy.data() + marked * kBlockSize, buffer.data(), kBlockSize);
    }
  }
  EXPECT_TRUE(copy == loop_.Read());
  EXPECT_FALSE(tracker_->TakeLost());
}

// Every block is written once in each pass while another thread takes and reads. Some kernels do
// not show one completion in a few passes to the program.
TEST_F(TrackerTest, EveryWriteIsTaken) {
  const std::uint64_t blocks = loop_.bytes() / kBlockSize;
  const Fd device(open(loop_.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  block::AlignedBuffer buffer(kBlockSize);
  Take();
  for (int pass = 0; pass < 12; ++pass) {
    std::atomic<bool> done{false};
    std::thread writer([&] {
      for (unsigned i = 0; i < blocks; ++i) loop_.Write(i * 37 % blocks * kBlockSize, 4096, i);
      done = true;
    });
    std::vector<bool> taken(blocks);
    for (bool last = false; !last;) {
      last = done;
      for (const std::uint64_t marked : Take(/*exact=*/last)) {
        taken[marked] = true;
        ASSERT_EQ(
            pread(device.get(), buffer.data(), kBlockSize, static_cast<off_t>(marked * kBlockSize)),
            kBlockSize);
      }
    }
    writer.join();
    EXPECT_EQ(std::count(taken.begin(), taken.end(), false), 0) << "pass " << pass;
    EXPECT_FALSE(tracker_->TakeLost());
  }
}

// Flush and FUA requests complete in several steps, discards and large requests otherwise again.
TEST_F(TrackerTest, NothingIsOwedWhenNothingIsUnderWay) {
  const Fd synced(open(loop_.path().c_str(), O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC));
  block::AlignedBuffer buffer(std::size_t{8} << 20);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(pwrite(synced.get(), buffer.data(), 4096, i * 4096), 4096);
    loop_.Write(static_cast<std::uint64_t>(i) * 8192 + 61440, 8192, 1);
    ASSERT_EQ(fdatasync(loop_.fd()), 0);
  }
  ASSERT_EQ(pwrite(synced.get(), buffer.data(), buffer.size(), 512), 8 << 20);
  std::uint64_t range[2] = {0, std::uint64_t{300} << 20};
  ASSERT_EQ(ioctl(loop_.fd(), BLKDISCARD, range), 0);
  ASSERT_EQ(ioctl(loop_.fd(), BLKZEROOUT, range), 0);
  const Fd map(bpf_obj_get((std::string(kPinRoot) + "/" + device_.disk_id + "/in_flight").c_str()));
  const std::size_t bytes = (sizeof(godwit_in_flight) + 4095) / 4096 * 4096;
  void* const memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, map.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto* const slots = static_cast<const std::int64_t*>(memory);
  EXPECT_LE(GODWIT_SLOTS + 1 - std::count(slots, slots + GODWIT_SLOTS + 1, 0), 3)
      << "but for completions that were not seen";
  munmap(memory, bytes);
}

}  // namespace
}  // namespace godwit::agent
