// The replica follows the source by captured writes. See replication_fixture.h.
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>

#include "tests/e2e/agent/replication_fixture.h"

namespace godwit::agent {
namespace {

class FollowTest : public ReplicationOnTest {
 protected:
  // Waits until epochs come without points, from now on.
  void AwaitFollowing() {
    AwaitPoint("");
    const std::int64_t before = Epoch() - Points();
    for (int i = 0; i < 200; ++i) {
      loop_.Write(0, 4096, static_cast<unsigned>(i));
      absl::SleepFor(absl::Milliseconds(50));
      if (Epoch() - Points() > before) return;
    }
    FAIL() << "no interim epoch: " << engine_->Progress().ShortDebugString();
  }
  std::int64_t Epoch() {
    const auto hosted = host_->Open(kServer, generation_);
    return hosted.ok() ? (*hosted)->group->committed_epoch() : 0;
  }
  std::int64_t Points() {
    absl::MutexLock lock(&mutex_);
    return static_cast<std::int64_t>(points_.size());
  }
  absl::Duration Lag() {
    const auto lag = engine_->Progress().lag();
    return absl::Seconds(lag.seconds()) + absl::Nanoseconds(lag.nanos());
  }
  // Submits 64 writes of 64 KiB at once that are not to wait; how many of them failed.
  int WriteBatch(unsigned seed) {
    constexpr std::size_t kCount = 64, kSize = 65536;
    std::mt19937 random(seed);
    block::AlignedBuffer buffer(kCount * kSize);
    for (std::size_t at = 0; at < buffer.size(); at += 4) {
      const unsigned word = random();
      std::memcpy(buffer.data() + at, &word, sizeof word);
    }
    // Different ones: two writes at a time to one place have no order.
    const std::size_t first = random() % (kBytes / kSize);
    const Fd fd(open(loop_.path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
    aio_context_t context = 0;
    EXPECT_EQ(syscall(SYS_io_setup, kCount, &context), 0);
    std::vector<iocb> writes(kCount);
    std::vector<iocb*> list;
    for (std::size_t i = 0; i < kCount; ++i) {
      writes[i].aio_lio_opcode = IOCB_CMD_PWRITE;
      writes[i].aio_rw_flags = GetParam() == DeviceKind::kLoop ? RWF_NOWAIT : 0;
      writes[i].aio_fildes = static_cast<__u32>(fd.get());
      writes[i].aio_buf = reinterpret_cast<__u64>(buffer.data() + i * kSize);
      writes[i].aio_nbytes = kSize;
      writes[i].aio_offset = static_cast<__s64>((first + i) % (kBytes / kSize) * kSize);
      list.push_back(&writes[i]);
    }
    int failed = 0;
    for (std::size_t at = 0; at < kCount;) {
      const long taken = syscall(SYS_io_submit, context, kCount - at, list.data() + at);
      if (taken <= 0) {  // the first of the rest
        ++failed;
        ++at;
        continue;
      }
      std::vector<io_event> events(static_cast<std::size_t>(taken));
      EXPECT_EQ(syscall(SYS_io_getevents, context, taken, taken, events.data(), nullptr), taken);
      for (const io_event& event : events) failed += event.res == kSize ? 0 : 1;
      at += static_cast<std::size_t>(taken);
    }
    syscall(SYS_io_destroy, context);
    return failed;
  }
  // Writes 4 KiB at random places, `per_second` of them (0: as fast as possible).
  void WriteFor(absl::Duration time, int per_second, unsigned seed) {
    std::mt19937 random(seed);
    const absl::Time begin = absl::Now();
    for (unsigned i = 0; absl::Now() - begin < time; ++i) {
      loop_.Write(random() % (kBytes / 4096) * 4096, 4096, random());
      if (per_second > 0) absl::SleepFor(begin + absl::Seconds(1) * i / per_second - absl::Now());
    }
  }
};

TEST_P(FollowTest, EpochsComeWithoutReadingTheDisk) {
  StartAgent();
  AwaitFollowing();
  const std::int64_t sent_before = engine_->Progress().sent_bytes(), epoch_before = Epoch();
  std::vector<absl::Duration> lags;
  std::atomic<bool> done = false;
  std::thread watcher([&] {
    while (!done) {
      lags.push_back(Lag());
      absl::SleepFor(absl::Milliseconds(10));
    }
  });
  WriteFor(absl::Seconds(5), 1000, 3);
  done = true;
  watcher.join();
  std::sort(lags.begin(), lags.end());
  RecordProperty("lag_p50", absl::FormatDuration(lags[lags.size() / 2]));
  RecordProperty("lag_p99", absl::FormatDuration(lags[lags.size() * 99 / 100]));
  EXPECT_EQ(engine_->Progress().abandoned_cut_count(), 0);
  EXPECT_GE(Epoch() - epoch_before, 5);
  // 5,000 writes of 4 KiB travel as such, not as blocks of 64 KiB.
  EXPECT_LT(engine_->Progress().sent_bytes() - sent_before, 5100 * 4096 + (4 << 20));
  ExpectReplicaEqualsSource();
}

TEST_P(FollowTest, ABurstEndsItAndItComesBack) {
  StartAgent();
  AwaitFollowing();
  block::AlignedBuffer buffer(4 << 20);
  std::mt19937 random(9);
  const Fd fd(open(loop_.path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  for (int i = 0; i < 100; ++i) {  // 400 MiB at once
    for (std::size_t at = 0; at < buffer.size(); at += 4096) {
      const unsigned value = random();
      std::memcpy(buffer.data() + at, &value, sizeof value);
    }
    EXPECT_EQ(pwrite(fd.get(), buffer.data(), buffer.size(),
                     static_cast<off_t>(random() % 15) * (4 << 20)),
              4 << 20);
  }
  AwaitFollowing();
  ExpectReplicaEqualsSource();
}

TEST_P(FollowTest, DiscardedRangesAreReadAgain) {
  StartAgent();
  AwaitFollowing();
  std::mt19937 random(11);
  for (int i = 0; i < 40; ++i) {
    loop_.Write(random() % 1024 * 65536, 65536, random());
    std::uint64_t range[2] = {random() % 15000 * 4096, (1 + random() % 64) * 4096};
    EXPECT_EQ(ioctl(loop_.fd(), i % 2 == 0 ? BLKDISCARD : BLKZEROOUT, range), 0);
    loop_.Write(random() % 15000 * 4096, 4096, random());
    if (i % 10 == 9) absl::SleepFor(absl::Milliseconds(300));
  }
  ExpectReplicaEqualsSource();
}

// Writes that are not to wait fail when the queue is full (a loop device), others when there is no
// memory (zram): what was submitted and failed is not in the replica.
TEST_P(FollowTest, WritesThatFailAreNotInThePoint) {
  const bool loop = GetParam() == DeviceKind::kLoop;
  const std::string sysfs = absl::StrCat("/sys/dev/block/", disk_.device_number(), "/");
  const Fd limit(
      open((sysfs + (loop ? "queue/nr_requests" : "mem_limit")).c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(limit.valid());
  StartAgent();
  AwaitFollowing();
  const std::string value = loop ? "4" : "4M";
  ASSERT_EQ(write(limit.get(), value.data(), value.size()), static_cast<ssize_t>(value.size()));
  int failed = 0;
  for (unsigned round = 0; round < 20; ++round) failed += WriteBatch(round);
  EXPECT_GT(failed, 20);
  ExpectReplicaEqualsSource();
}

// Nobody asks for a point any more and the source is gone: what was committed last is there.
TEST_P(FollowTest, TheLastEpochIsAPointWhenTheSourceGoes) {
  StartAgent();
  AwaitFollowing();
  Direct("", /*cut_seconds=*/600);
  AwaitPoint("", 1);
  WriteFor(absl::Seconds(1), 200, 5);
  const std::int64_t epoch = Epoch();
  for (int i = 0; i < 100 && Epoch() < epoch + 2; ++i) {
    loop_.Write(8192, 4096, static_cast<unsigned>(i));
    absl::SleepFor(absl::Milliseconds(50));
  }
  absl::SleepFor(absl::Seconds(1));
  StopAgent();
  const std::string content = loop_.Read();
  const std::int64_t last = Epoch();
  EXPECT_EQ(AwaitPoint("", last - 1), last);
  ExpectPointEquals(last, content);
}

INSTANTIATE_TEST_SUITE_P(Devices, FollowTest, AllDeviceKinds(), DeviceName);

}  // namespace
}  // namespace godwit::agent
