// What is in a point: states that the device had, whole files. See replication_fixture.h.
#include "tests/e2e/agent/replication_fixture.h"

namespace godwit::agent {
namespace {

// Points while others write: each must be a state that the device had. The writers keep a law: a
// counter on the disk is written before the next one, so at every instant the counters of the two
// areas differ by at most one.
TEST_F(ReplicationTest, PointsWithoutAFreezeAreStatesThatTheDeviceHad) {
  loop_.Write(0, 4096, 0);
  loop_.Write(kBytes / 2, 4096, 0);
  StartAgent();
  AwaitPoint("");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    block::AlignedBuffer buffer(4096);
    const Fd fd(open(loop_.path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
    for (std::uint64_t i = 1; !done; ++i) {
      std::memcpy(buffer.data(), &i, sizeof i);
      // Different places, so that a fuzzy copy would mix old and new.
      const auto at = static_cast<off_t>(i % 256 * 65536);
      EXPECT_EQ(pwrite(fd.get(), buffer.data(), 4096, at), 4096);
      EXPECT_EQ(pwrite(fd.get(), buffer.data(), 4096, static_cast<off_t>(kBytes / 2) + at), 4096);
      if (i % 8 == 0) absl::SleepFor(absl::Milliseconds(1));
    }
  });
  std::int64_t epoch = 0;
  int checked = 0;
  const auto newest = [](const std::string& image, std::size_t from) {
    std::uint64_t newest = 0;
    for (std::size_t slot = 0; slot < 256; ++slot) {
      std::uint64_t value = 0;
      std::memcpy(&value, image.data() + from + slot * 65536, sizeof value);
      if (value < (std::uint64_t{1} << 32)) newest = std::max(newest, value);
    }
    return newest;
  };
  for (int i = 0; i < 12; ++i) {
    epoch = AwaitPoint("", epoch);
    if (epoch == 0) break;
    std::string image;
    ReadPoint(epoch, &image);
    const std::uint64_t first = newest(image, 0), second = newest(image, kBytes / 2);
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
  ExpectReplicaEqualsSource();
}

TEST_F(ReplicationTest, UnusedSpaceIsLeftOutAndFilesAreWhole) {
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
