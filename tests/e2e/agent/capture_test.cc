// What is captured, applied in order, makes an older copy equal to the device: of disks with
// requests and without, with records of dynamic and of fixed sizes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/uio.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "agent/capture/write_capture.h"
#include "services/common/base/ids.h"
#include "tests/e2e/agent/device_kinds.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::BlockDevice;
using ::godwit::testing::DeviceKind;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;

using Records = WriteCapture::Records;

struct Setup {
  DeviceKind first, second;
  Records records;
};
std::string Name(const ::testing::TestParamInfo<Setup>& info) {
  return absl::StrCat(testing::KindName(info.param.first), testing::KindName(info.param.second),
                      info.param.records == Records::kDynamic ? "Dynamic" : "Fixed");
}

class CaptureTest : public ::testing::TestWithParam<Setup> {
 protected:
  WriteCapture::Device Of(const BlockDevice& loop) {
    return {.tracked = {.disk_id = NewId("d-"),
                        .major = loop.major_number(),
                        .first_minor = loop.minor_number(),
                        .size_bytes = kBytes},
            .path = loop.path()};
  }
  void Start(std::size_t ring_bytes) {
    ASSERT_OK_AND_ASSIGN(
        capture_, WriteCapture::Start({Of(first_), Of(second_)}, ring_bytes, GetParam().records));
  }
  // From memory that neither begins nor ends with a page: the content lies in many small pieces.
  void WriteOddPieces() {
    // zram stores other content than that (it takes every piece for a page).
    const BlockDevice& device = GetParam().second == DeviceKind::kLoop ? second_ : first_;
    if (device.unit() != 512) return;
    const Fd direct(open(device.path().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
    block::AlignedBuffer memory(std::size_t{1} << 20);
    for (std::size_t i = 0; i < memory.size(); ++i)
      memory.data()[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    std::vector<iovec> pieces;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < 128; ++i) {
      const std::size_t size = i % 5 == 4 ? 2048 : 512;
      pieces.push_back({memory.data() + i * 5120 + i % 8 * 512, size});
      bytes += size;
    }
    pieces.push_back({memory.data() + (700 << 10) + 512, (64 << 10) + 4096 - bytes % 4096});
    bytes += pieces.back().iov_len;
    EXPECT_EQ(pwritev(direct.get(), pieces.data(), static_cast<int>(pieces.size()), 20480),
              static_cast<ssize_t>(bytes))
        << strerror(errno);
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

  static void ExpectEqual(const std::string& copy, const std::string& device) {
    ASSERT_EQ(copy.size(), device.size());
    const auto [at, other] = std::mismatch(copy.begin(), copy.end(), device.begin());
    EXPECT_TRUE(at == copy.end()) << "they differ at byte " << at - copy.begin();
  }

  TempDir dir_;
  const std::unique_ptr<BlockDevice> first_owned_ = testing::MakeDevice(GetParam().first,
                                                                        dir_ / "first", kBytes),
                                     second_owned_ = testing::MakeDevice(GetParam().second,
                                                                         dir_ / "second", kBytes);
  BlockDevice &first_ = *first_owned_, &second_ = *second_owned_;
  const std::uint64_t unit_ = std::max(first_.unit(), second_.unit());
  std::unique_ptr<WriteCapture> capture_;
  int records_ = 0;
};

TEST_P(CaptureTest, AnOlderCopyWithTheCapturedWritesEqualsTheDevice) {
  Start(64 << 20);  // a busy machine lets nobody drain for a while
  first_.Write(0, 4096, 1);
  std::string copies[2] = {first_.Read(), second_.Read()};
  capture_->Begin();
  ASSERT_OK(capture_->Settle(absl::Seconds(5)));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    std::mt19937 random(5);
    for (unsigned i = 0; i < 2000; ++i) {
      (i % 3 == 0 ? second_ : first_)
          .Write(random() % (kBytes / unit_ - 128) * unit_,
                 unit_ * (1 + random() % (i % 50 == 0 ? 128 : 65536 / unit_)), i);
    }
    WriteOddPieces();
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
  ExpectEqual(copies[1], second_.Read());
  EXPECT_FALSE(copies[0] == first_.Read());
  std::memcpy(copies[0].data() + (1 << 20), first_.Read().data() + (1 << 20), 4096);
  ExpectEqual(copies[0], first_.Read());
}

// Writes to two disks in turn: the order between them is kept.
TEST_P(CaptureTest, OneOrderOverAllDisks) {
  Start(16 << 20);
  capture_->Begin();
  for (unsigned i = 0; i < 200; ++i) {
    (i % 2 == 0 ? first_ : second_).Write(static_cast<std::uint64_t>(i) * 4096, unit_, i);
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

TEST_P(CaptureTest, AFullRingIsToldAndTheNextWindowIsWhole) {
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

INSTANTIATE_TEST_SUITE_P(
    Devices, CaptureTest,
    ::testing::Values(Setup{DeviceKind::kLoop, DeviceKind::kLoop, Records::kDynamic},
                      Setup{DeviceKind::kLoop, DeviceKind::kLoop, Records::kFixed},
                      Setup{DeviceKind::kZram, DeviceKind::kZram, Records::kDynamic},
                      Setup{DeviceKind::kLoop, DeviceKind::kZram, Records::kDynamic},
                      Setup{DeviceKind::kZram, DeviceKind::kLoop, Records::kFixed}),
    Name);

}  // namespace
}  // namespace godwit::agent
