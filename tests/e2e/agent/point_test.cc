// What is in a point: states that the devices had, whole files. See replication_fixture.h.
#include "tests/e2e/agent/replication_fixture.h"

namespace godwit::agent {
namespace {

// Two areas: of one disk, or of two disks that may be of different kinds.
struct Areas {
  DeviceKind first;
  std::optional<DeviceKind> second;  // none: both are of the first disk
  WriteCapture::Records records = WriteCapture::Records::kDynamic;
};
std::string AreasName(const ::testing::TestParamInfo<Areas>& info) {
  return absl::StrCat(testing::KindName(info.param.first),
                      info.param.second ? testing::KindName(*info.param.second) : "",
                      info.param.records == WriteCapture::Records::kDynamic ? "" : "Fixed");
}

class PointTest : public ReplicationTest, public ::testing::WithParamInterface<Areas> {
 protected:
  PointTest() : ReplicationTest(GetParam().first) {
    if (GetParam().second) second_ = &AddDisk("second", kBytes, *GetParam().second).loop;
    records_ = GetParam().records;
  }
  // The areas of a point, of equal size.
  void ReadAreas(std::int64_t epoch, std::string* first, std::string* second) {
    std::vector<std::string> files{dir_ / "clone.raw"};
    if (GetParam().second) files.push_back(dir_ / "second.raw");
    ExportPoint(epoch, files);
    ASSERT_OK_AND_ASSIGN(*first, ReadFile(files.front(), kBytes + 1));
    ASSERT_OK_AND_ASSIGN(*second, ReadFile(files.back(), kBytes + 1));
    if (!GetParam().second) {
      *second = first->substr(kBytes / 2);
      first->resize(kBytes / 2);
    }
  }
  std::uint64_t second_from() const { return GetParam().second ? 0 : kBytes / 2; }

  BlockDevice* second_ = &loop_;
};
INSTANTIATE_TEST_SUITE_P(Disks, PointTest,
                         ::testing::Values(Areas{DeviceKind::kLoop, std::nullopt},
                                           Areas{DeviceKind::kZram, std::nullopt},
                                           Areas{DeviceKind::kLoop, DeviceKind::kZram},
                                           Areas{DeviceKind::kZram, DeviceKind::kLoop,
                                                 WriteCapture::Records::kFixed}),
                         AreasName);

// Points while others write: each must be a state that the disks had. The writers keep a law: a
// counter in the one area is written before that in the other, so at every instant the counters of
// the two areas differ by at most one.
TEST_P(PointTest, PointsWithoutAFreezeAreStatesThatTheDisksHad) {
  loop_.Write(0, 4096, 0);
  second_->Write(second_from(), 4096, 0);
  StartAgent();
  AwaitPoint("");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    block::AlignedBuffer buffer(4096);
    const Fd fd(open(loop_.path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
    const Fd second(open(second_->path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
    for (std::uint64_t i = 1; !done; ++i) {
      std::memcpy(buffer.data(), &i, sizeof i);
      // Different places, so that a fuzzy copy would mix old and new.
      const auto at = static_cast<off_t>(i % 256 * 65536);
      EXPECT_EQ(pwrite(fd.get(), buffer.data(), 4096, at), 4096);
      EXPECT_EQ(pwrite(second.get(), buffer.data(), 4096, static_cast<off_t>(second_from()) + at),
                4096);
      if (i % 8 == 0) absl::SleepFor(absl::Milliseconds(1));
    }
  });
  std::int64_t epoch = 0;
  int checked = 0;
  const auto newest = [](const std::string& area) {
    std::uint64_t newest = 0;
    for (std::size_t slot = 0; slot < 256; ++slot) {
      std::uint64_t value = 0;
      std::memcpy(&value, area.data() + slot * 65536, sizeof value);
      if (value < (std::uint64_t{1} << 32)) newest = std::max(newest, value);
    }
    return newest;
  };
  for (int i = 0; i < 12; ++i) {
    epoch = AwaitPoint("", epoch);
    if (epoch == 0) break;
    std::string image, other;
    ReadAreas(epoch, &image, &other);
    const std::uint64_t first = newest(image), second = newest(other);
    EXPECT_TRUE(first == second || first == second + 1) << first << " and " << second;
    // And nothing older than a round is missing.
    for (std::uint64_t value = first > 200 ? first - 200 : 1; value < first; ++value) {
      std::uint64_t there = 0;
      std::memcpy(&there, image.data() + value % 256 * 65536, sizeof there);
      EXPECT_EQ(there, value) << "newest is " << first;
    }
    ++checked;
  }
  done = true;
  writer.join();
  EXPECT_EQ(checked, 12);
  const std::string request = NewUuid();
  Direct(request);
  std::string image, other;
  ReadAreas(AwaitPoint(request), &image, &other);
  EXPECT_TRUE(image == loop_.Read().substr(0, image.size()));
  EXPECT_TRUE(other == second_->Read().substr(second_from()));
}

TEST_P(ReplicationOnTest, UnusedSpaceIsLeftOutAndFilesAreWhole) {
  const auto run = [&](std::vector<std::string> command) {
    ASSERT_OK_AND_ASSIGN(Process process,
                         Process::Start({.command = std::move(command), .log = dir_ / "log"}));
    ASSERT_OK_AND_ASSIGN(const int status, process.Wait(absl::Seconds(60)));
    ASSERT_EQ(status, 0) << process.Log();
  };
  run({"/usr/sbin/mkfs.ext4", "-q", loop_.path()});
  const std::string here = dir_ / "mount", there = dir_ / "replica";
  std::filesystem::create_directory(here);
  std::filesystem::create_directory(there);
  ASSERT_EQ(mount(loop_.path().c_str(), here.c_str(), "ext4", 0, nullptr), 0);
  const auto write = [&](const std::string& name, unsigned seed, int kilobytes) {
    std::string content;
    for (std::mt19937 random(seed); content.size() < static_cast<std::size_t>(kilobytes) << 10;)
      content += absl::StrCat(random());
    EXPECT_OK(WriteFileAtomically(here + "/" + name, content));
    return content;
  };
  write("deleted", 1, 40 << 10);
  const std::string kept = write("kept", 2, 5 << 10);
  sync();
  std::filesystem::remove(here + "/deleted");  // not committed yet
  devices_ = {absl::StrCat(loop_.major_number(), ":", loop_.minor_number())};
  StartAgent();
  AwaitPoint("");
  const std::int64_t sent = engine_->Progress().sent_bytes();
  EXPECT_LT(sent, 20 << 20) << "the deleted file has 40 MiB";
  const std::string later = write("later", 3, 10 << 10);
  const std::string request = NewUuid();
  Direct(request);
  std::string image;
  ReadPoint(AwaitPoint(request), &image);
  StopAgent();
  EXPECT_EQ(umount2(here.c_str(), MNT_DETACH), 0);
  LoopDevice replica(dir_ / "clone.raw", kBytes);
  ASSERT_EQ(mount(replica.path().c_str(), there.c_str(), "ext4", 0, nullptr), 0);
  EXPECT_FALSE(std::filesystem::exists(there + "/deleted"));
  EXPECT_TRUE(ReadFile(there + "/kept", 64 << 20).value_or("") == kept);
  EXPECT_TRUE(ReadFile(there + "/later", 64 << 20).value_or("") == later);
  EXPECT_EQ(umount2(there.c_str(), 0), 0);
  run({"/usr/sbin/e2fsck", "-f", "-n", replica.path()});
}

}  // namespace
}  // namespace godwit::agent
