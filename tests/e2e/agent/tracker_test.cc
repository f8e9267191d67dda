// The eBPF tracker on real devices, with requests and without: what changed is marked, whatever way
// it changed.
#include <bpf/bpf.h>
#include <fcntl.h>
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

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/tracker/dirty_layout.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/pins.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "tests/e2e/agent/device_kinds.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using block::kBlockSize;
using ::godwit::testing::BlockDevice;
using ::godwit::testing::DeviceKind;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

class TrackerTest : public ::testing::TestWithParam<DeviceKind> {
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

  std::string Pin(const char* name) const {
    return absl::StrCat(kPinRoot, "/", device_.disk_id, "/", name);
  }

  TempDir dir_;
  const std::unique_ptr<BlockDevice> owned_ =
      testing::MakeDevice(GetParam(), dir_ / "disk", std::uint64_t{600} << 20);  // 3 pages of marks
  BlockDevice& loop_ = *owned_;
  const std::uint64_t unit_ = loop_.unit();
  const TrackedDevice device_{.disk_id = NewId("d-"),
                              .major = loop_.major_number(),
                              .first_minor = loop_.minor_number(),
                              .size_bytes = loop_.bytes()};
  std::unique_ptr<ChangeTracker> tracker_;
};

TEST_P(TrackerTest, WritesAreMarkedOnce) {
  EXPECT_THAT(Take(), ::testing::IsEmpty());
  loop_.Write(5 * kBlockSize + unit_, unit_, 1);
  loop_.Write(7 * kBlockSize - unit_, 2 * unit_, 1);
  loop_.Write(loop_.bytes() - unit_, unit_, 1);
  EXPECT_THAT(Take(), ::testing::ElementsAre(5, 6, 7, loop_.bytes() / kBlockSize - 1));
  EXPECT_THAT(Take(), ::testing::IsEmpty());
  EXPECT_FALSE(tracker_->TakeLost());
}

TEST_P(TrackerTest, DiscardsAndZeroedRangesAreMarkedWhole) {
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

// A discard that is too long for the device becomes a chain of bios, each the parent of the one
// before it.
TEST_P(TrackerTest, ChainsOfBiosAreMarkedWhole) {
  const Fd limit(open(absl::StrCat("/sys/dev/block/", device_.major, ":", device_.first_minor,
                                   "/queue/discard_max_bytes")
                          .c_str(),
                      O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(write(limit.get(), "1048576", 7), 7);
  std::uint64_t range[2] = {100 * kBlockSize, std::uint64_t{50} << 20};
  ASSERT_EQ(ioctl(loop_.fd(), BLKDISCARD, range), 0);
  const std::set<std::uint64_t> marked = Take();
  EXPECT_EQ(marked.size(), range[1] / kBlockSize);
  EXPECT_EQ(*marked.begin(), 100u);
  EXPECT_THAT(Take(), ::testing::IsEmpty());
  EXPECT_FALSE(tracker_->TakeLost());
}

TEST_P(TrackerTest, OtherDevicesAreNotMarked) {
  const auto other = testing::MakeDevice(GetParam(), dir_ / "other", 1 << 20);
  other->Write(0, 65536, 1);
  EXPECT_THAT(Take(), ::testing::IsEmpty());
}

TEST_P(TrackerTest, TheProgramGoesOnWithoutTheAgent) {
  tracker_->States()[17] = 5;
  tracker_.reset();
  loop_.Write(40 * kBlockSize, unit_, 2);
  Start();
  EXPECT_TRUE(tracker_->Resumed());
  EXPECT_FALSE(tracker_->TakeLost());
  EXPECT_EQ(tracker_->States()[17], 5);
  EXPECT_THAT(Take(), ::testing::ElementsAre(40));
}

TEST_P(TrackerTest, PinsOfAnotherDeviceAreNotTakenOver) {
  tracker_.reset();
  TrackedDevice other = device_;
  other.size_bytes -= kBlockSize;
  ASSERT_OK_AND_ASSIGN(tracker_, StartEbpfTracker(other));
  EXPECT_FALSE(tracker_->Resumed());
}

TEST_P(TrackerTest, LossesAndPinsAreSeenFromOutside) {
  ASSERT_OK(tracker_->Detach());
  TrackedDevice smaller = device_;
  smaller.size_bytes -= kBlockSize;
  ASSERT_OK_AND_ASSIGN(tracker_, StartEbpfTracker(smaller));
  EXPECT_EQ(LossesOf(device_.disk_id), "");
  loop_.Write(smaller.size_bytes + unit_, unit_, 1);
  EXPECT_TRUE(tracker_->TakeLost());
  EXPECT_EQ(LossesOf(device_.disk_id), "1 requests outside of the disk");
  tracker_.reset();
  ASSERT_OK(RemovePins(device_.disk_id));
  EXPECT_EQ(LossesOf(device_.disk_id), "");
  ASSERT_OK(RemovePins(device_.disk_id));
  Start();
  EXPECT_FALSE(tracker_->Resumed());
}

TEST_P(TrackerTest, PinsThatSomebodyRemovesDoNotEndTheTrackingOfARunningAgent) {
  tracker_.reset();
  Start();
  ASSERT_TRUE(tracker_->Resumed());
  Take();
  ASSERT_OK(RemovePins(device_.disk_id));
  loop_.Write(7 * kBlockSize, unit_, 1);
  EXPECT_THAT(Take(), ::testing::ElementsAre(7));
  EXPECT_FALSE(tracker_->TakeLost());
}

// Takes while others write: a block whose content differs from the copy made after its last mark
// must be marked again.
TEST_P(TrackerTest, NoChangeIsEverMissed) {
  std::string copy = loop_.Read();
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (unsigned w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(w);
      for (unsigned i = 0; i < 3000; ++i) {
        loop_.Write(random() % (loop_.bytes() / unit_ - 16) * unit_, unit_ * (1 + random() % 16),
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
TEST_P(TrackerTest, EveryWriteIsTaken) {
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
TEST_P(TrackerTest, NothingIsOwedWhenNothingIsUnderWay) {
  const Fd synced(open(loop_.path().c_str(), O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC));
  block::AlignedBuffer buffer(std::size_t{8} << 20);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(pwrite(synced.get(), buffer.data(), 4096, i * 4096), 4096);
    loop_.Write(static_cast<std::uint64_t>(i) * 8192 + 61440, 8192, 1);
    ASSERT_EQ(fdatasync(loop_.fd()), 0);
  }
  ASSERT_EQ(pwrite(synced.get(), buffer.data(), buffer.size(), static_cast<off_t>(unit_)), 8 << 20);
  std::uint64_t range[2] = {0, std::uint64_t{300} << 20};
  ASSERT_EQ(ioctl(loop_.fd(), BLKDISCARD, range), 0);
  ASSERT_EQ(ioctl(loop_.fd(), BLKZEROOUT, range), 0);
  const Fd map(bpf_obj_get(Pin("in_flight").c_str()));
  const std::size_t bytes = (sizeof(godwit_in_flight) + 4095) / 4096 * 4096;
  void* const memory = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, map.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto* const slots = static_cast<const std::int64_t*>(memory);
  EXPECT_LE(GODWIT_SLOTS + 1 - std::count(slots, slots + GODWIT_SLOTS + 1, 0), 3)
      << "but for completions that were not seen";
  munmap(memory, bytes);
}

// What sysfs says is not enough: the kind of completion that a device does not have is refused.
TEST_P(TrackerTest, TheOtherKindOfCompletionIsRefused) {
  ASSERT_OK(tracker_->Detach());
  tracker_.reset();
  const bool requests = GetParam() == DeviceKind::kLoop;
  EXPECT_THAT(
      StartEbpfTracker(device_, requests ? CompletionKind::kBios : CompletionKind::kRequests),
      StatusIs(absl::StatusCode::kUnimplemented, requests
                                                     ? "the ends of the device's bios are not seen"
                                                     : "the device does not complete requests"));
  ASSERT_OK_AND_ASSIGN(tracker_, StartEbpfTracker(device_, requests ? CompletionKind::kRequests
                                                                    : CompletionKind::kBios));
}

std::string Name(const ::testing::TestParamInfo<DeviceKind>& info) {
  return testing::KindName(info.param);
}
INSTANTIATE_TEST_SUITE_P(Devices, TrackerTest,
                         ::testing::Values(DeviceKind::kLoop, DeviceKind::kZram), Name);

// What goes wrong with notes of bios is never silent.
class BioNotesTest : public TrackerTest {
 protected:
  Fd Notes() { return Fd(bpf_obj_get(Pin("bios").c_str())); }
  // Ends a program behind the tracker's back: without its pin and with the descriptor by which the
  // tracker holds it leading elsewhere.
  void EndProgram(const char* link) {
    tracker_.reset();
    Start();
    ASSERT_TRUE(tracker_->Resumed());
    bpf_link_info info{};
    __u32 size = sizeof info;
    {
      const Fd pinned(bpf_obj_get(Pin(link).c_str()));
      ASSERT_EQ(bpf_obj_get_info_by_fd(pinned.get(), &info, &size), 0);
      ASSERT_EQ(unlink(Pin(link).c_str()), 0);
    }
    const Fd elsewhere(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::string held = absl::StrCat("link_id:\t", info.id, "\n");
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      const auto text = ReadFile(entry.path(), 4096);
      if (text.ok() && absl::StrContains(*text, held))
        dup3(elsewhere.get(), std::atoi(entry.path().filename().c_str()), O_CLOEXEC);
    }
    for (int i = 0; i < 500 && Fd(bpf_link_get_fd_by_id(info.id)).valid(); ++i)
      absl::SleepFor(absl::Milliseconds(10));
    ASSERT_FALSE(Fd(bpf_link_get_fd_by_id(info.id)).valid());
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, BioNotesTest, ::testing::Values(DeviceKind::kZram), Name);

TEST_P(BioNotesTest, ABioThatFindsNoRoomIsTold) {
  const Fd notes = Notes();
  godwit_bio noted{.sector = 0, .bytes = 0, .op = 1, .submitted_ns = 1};
  __u64 address = 1;
  while (bpf_map_update_elem(notes.get(), &address, &noted, BPF_ANY) == 0) ++address;
  EXPECT_GE(address, static_cast<__u64>(GODWIT_BIOS));
  EXPECT_FALSE(tracker_->TakeLost());
  loop_.Write(0, unit_, 1);
  EXPECT_TRUE(tracker_->TakeLost());
  EXPECT_THAT(LossesOf(device_.disk_id), ::testing::HasSubstr("1 bios more than can be noted"));
  // Old notes are swept away, by the next agent at the latest.
  tracker_.reset();
  Start();
  Take();
  tracker_->TakeLost();
  loop_.Write(9 * kBlockSize, unit_, 2);
  EXPECT_THAT(Take(), ::testing::ElementsAre(9));
  EXPECT_FALSE(tracker_->TakeLost());
}

TEST_P(BioNotesTest, AnEndWithoutASubmissionIsTold) {
  EndProgram("link_queue");
  EXPECT_FALSE(tracker_->TakeLost());
  loop_.Write(0, unit_, 1);
  EXPECT_TRUE(tracker_->TakeLost());
  EXPECT_THAT(LossesOf(device_.disk_id), ::testing::HasSubstr("ends of bios that were not noted"));
}

TEST_P(BioNotesTest, ASubmissionWithoutAnEndGivesItsBlocksAway) {
  EndProgram("link");
  for (std::uint64_t block = 3; block < 30; ++block) {
    loop_.Write(block * kBlockSize, unit_, 1);
    EXPECT_FALSE(Take(/*exact=*/false).contains(block)) << block;
    EXPECT_TRUE(Take().contains(block)) << block;
  }
}

}  // namespace
}  // namespace godwit::agent
