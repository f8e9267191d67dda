// What is captured, applied in order, makes an older copy equal to the device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "agent/capture/write_capture.h"
#include "services/common/base/ids.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::LoopDevice;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;

class CaptureTest : public ::testing::Test {
 protected:
  WriteCapture::Device Of(const LoopDevice& loop) {
    return {.tracked = {.disk_id = NewId("d-"),
                        .major = loop.major_number(),
                        .first_minor = loop.minor_number(),
                        .size_bytes = kBytes},
            .path = loop.path()};
  }
  void Start(std::size_t ring_bytes) {
    ASSERT_OK_AND_ASSIGN(capture_, WriteCapture::Start({Of(first_), Of(second_)}, ring_bytes));
  }
  void Apply(const CapturedWrite& write, std::string (&copies)[2]) {
    ++records_;
    ASSERT_LT(write.disk, 2u);
    char* const to = copies[write.disk].data() + write.sector * 512;
    if (write.content.empty()) {
      std::memset(to, 0, write.bytes);
    } else {
      std::memcpy(to, write.content.data(), write.bytes);
    }
  }

  TempDir dir_;
  LoopDevice first_{dir_ / "first", kBytes}, second_{dir_ / "second", kBytes};
  std::unique_ptr<WriteCapture> capture_;
  int records_ = 0;
};

TEST_F(CaptureTest, AnOlderCopyWithTheCapturedWritesEqualsTheDevice) {
  Start(16 << 20);
  first_.Write(0, 4096, 1);
  std::string copies[2] = {first_.Read(), second_.Read()};
  capture_->Begin();
  ASSERT_OK(capture_->Settle(absl::Seconds(5)));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    std::mt19937 random(5);
    for (unsigned i = 0; i < 2000; ++i) {
      (i % 3 == 0 ? second_ : first_)
          .Write(random() % (kBytes / 512 - 128) * 512, 512 * (1 + random() % 128), i);
    }
    // Buffered writes, one of them of odd places.
    std::string text(300000, 'b');
    EXPECT_EQ(pwrite(first_.fd(), text.data(), text.size(), 12345), 300000);
    EXPECT_EQ(fsync(first_.fd()), 0);
    std::uint64_t range[2] = {std::uint64_t{8} << 20, std::uint64_t{4} << 20};
    EXPECT_EQ(ioctl(second_.fd(), BLKDISCARD, range), 0);
    done = true;
  });
  const auto apply = [&](const CapturedWrite& write) { Apply(write, copies); };
  while (!done) ASSERT_OK(capture_->Drain(apply));
  writer.join();
  capture_->End();
  first_.Write(1 << 20, 4096, 77);  // not any more
  ASSERT_OK(capture_->Drain(apply));
  ASSERT_OK(capture_->Complete());
  EXPECT_GT(records_, 2000);
  EXPECT_TRUE(copies[1] == second_.Read());
  EXPECT_FALSE(copies[0] == first_.Read());
  std::memcpy(copies[0].data() + (1 << 20), first_.Read().data() + (1 << 20), 4096);
  EXPECT_TRUE(copies[0] == first_.Read());
}

// Writes to two disks in turn: the order between them is kept.
TEST_F(CaptureTest, OneOrderOverAllDisks) {
  Start(16 << 20);
  capture_->Begin();
  for (unsigned i = 0; i < 200; ++i) {
    (i % 2 == 0 ? first_ : second_).Write(static_cast<std::uint64_t>(i) * 4096, 512, i);
  }
  capture_->End();
  unsigned expected = 0;
  ASSERT_OK(capture_->Drain([&](const CapturedWrite& write) {
    EXPECT_EQ(write.disk, expected % 2);
    EXPECT_EQ(write.sector, expected * 8);
    ++expected;
  }));
  EXPECT_EQ(expected, 200u);
}

TEST_F(CaptureTest, AFullRingIsToldAndTheNextWindowIsWhole) {
  Start(1 << 20);
  capture_->Begin();
  for (unsigned i = 0; i < 100; ++i) first_.Write(i * 65536, 65536, i);
  capture_->End();
  EXPECT_THAT(capture_->Complete(), StatusIs(absl::StatusCode::kDataLoss, "the ring full"));
  capture_->Begin();
  first_.Write(0, 4096, 3);
  capture_->End();
  ASSERT_OK(capture_->Drain([&](const CapturedWrite&) { ++records_; }));
  EXPECT_OK(capture_->Complete());
  EXPECT_EQ(records_, 1);
}

}  // namespace
}  // namespace godwit::agent
