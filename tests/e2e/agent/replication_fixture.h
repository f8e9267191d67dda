// The rig with one disk that nobody has mounted. Every test ends in a byte-for-byte comparison.
#pragma once

#include <linux/fs.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "absl/strings/str_split.h"
#include "tests/e2e/agent/replication_rig.h"

namespace godwit::agent {

inline constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;

class ReplicationTest : public ReplicationRig {
 protected:
  explicit ReplicationTest(DeviceKind kind = DeviceKind::kLoop)
      : disk_(AddDisk("disk", kBytes, kind)) {}
  void SetUp() override {
    settings_.mutable_cut_interval()->set_seconds(1);
    ReplicationRig::SetUp();
    std::mt19937 random(7);
    for (int i = 0; i < 200; ++i)
      loop_.Write(random() % (kBytes / 4096 - 1) * 4096, 4096, random());
  }

  // A point of what the device is now (nobody writes), compared with the device.
  void ExpectReplicaEqualsSource() {
    const std::string request = NewUuid();
    Direct(request);
    const std::int64_t epoch = AwaitPoint(request);
    Direct("");
    ExpectPointEquals(epoch, loop_.Read());
  }
  void ExpectPointEquals(std::int64_t epoch, const std::string& content) {
    std::string bytes;
    ReadPoint(epoch, &bytes);
    EXPECT_TRUE(bytes == content);
  }
  // Also leaves it in dir_/clone.raw.
  void ReadPoint(std::int64_t epoch, std::string* content) {
    const std::string raw = dir_ / "clone.raw";
    ExportPoint(epoch, {raw});
    ASSERT_OK_AND_ASSIGN(*content, ReadFile(raw, kBytes + 1));
  }
  void Churn(unsigned seed, int writes) {
    std::mt19937 random(seed);
    const std::uint64_t unit = loop_.unit(), most = 32768 / unit;
    for (int i = 0; i < writes; ++i) {
      loop_.Write(random() % (kBytes / unit - most) * unit, unit * (1 + random() % most), random());
    }
  }

  SourceLoop& disk_;
  BlockDevice& loop_ = disk_.loop;
  const TrackedDevice& device_ = disk_.tracked;
};

// For each kind of device.
class ReplicationOnTest : public ReplicationTest, public ::testing::WithParamInterface<DeviceKind> {
 protected:
  ReplicationOnTest() : ReplicationTest(GetParam()) {}
};
inline std::string DeviceName(const ::testing::TestParamInfo<DeviceKind>& info) {
  return testing::KindName(info.param);
}
inline auto AllDeviceKinds() { return ::testing::Values(DeviceKind::kLoop, DeviceKind::kZram); }

}  // namespace godwit::agent
