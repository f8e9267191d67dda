// PostgreSQL and files on replicated disks under load, points taken all the time, each of them
// looked at afterwards (point_check.h).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tests/e2e/agent/crash/load.h"
#include "tests/e2e/agent/crash/mounts.h"
#include "tests/e2e/agent/crash/point_check.h"
#include "tests/e2e/agent/replication_rig.h"

namespace godwit::agent {

class CrashTest : public ReplicationRig {
 protected:
  struct Found {
    int points = 0, bad_points = 0;
    std::array<int, testing::Finding::kKinds> by_kind{};  // points
    std::string first;                                    // what the first bad point said
  };

  void SetUp() override;
  void TearDown() override;

  // Disk and file system; mounted as <root>/<name>. Before StartSource.
  void AddFileSystem(const std::string& name, const std::string& type, std::uint64_t mib,
                     DeviceKind kind = DeviceKind::kLoop);
  // PostgreSQL on the file system `data`, its log on `wal` (may be the same), then the agent and
  // its first point, then the load.
  void StartSource(const std::string& data, const std::string& wal, unsigned seed);
  // A slow link: the blocks of a point are read over a longer time.
  void LimitBandwidth(std::int64_t bytes_per_second);
  // Waits for so many points under load, at most for `limit`.
  void TakePoints(int count, absl::Duration limit);
  // Ends load, agent and PostgreSQL. The points stay.
  void StopSource();
  // Every point that was taken under load, two at a time; each is deleted when it was looked at.
  Found CheckPoints();

 private:
  struct FileSystem {
    std::string name, type;
  };
  testing::PostgresPlace Place(const std::string& root) const;
  std::vector<store::PointFacts> UnderLoad();
  // What those who look at points share.
  struct Looks {
    absl::Mutex mutex;
    std::vector<store::PointFacts> points ABSL_GUARDED_BY(mutex);  // the next one last
    std::vector<std::int64_t> done ABSL_GUARDED_BY(mutex);         // epochs that may be deleted
    std::int64_t newest ABSL_GUARDED_BY(mutex) = 0;                // this one may not
    Found found ABSL_GUARDED_BY(mutex);
  };
  // Where number `look` has its copies.
  std::vector<testing::DiskImage> Images(int look) const;
  static std::vector<std::string> Files(const std::vector<testing::DiskImage>& images);
  // Looks at one point after the other until there is none left.
  void Look(int look, Looks* looks);
  // The next point, whose disks are in `images` then; none: there is none left, or they failed.
  std::optional<store::PointFacts> Next(const std::vector<testing::DiskImage>& images,
                                        Looks* looks);
  void Remember(const store::PointFacts& point, const std::vector<testing::Finding>& findings,
                Looks* looks) ABSL_EXCLUSIVE_LOCKS_REQUIRED(looks->mutex);
  void Keep(const store::PointFacts& point, const std::string& text);

  std::vector<FileSystem> file_systems_;  // of disks_, in that order
  std::vector<testing::Mounted> mounts_;
  std::string data_, wal_;
  std::unique_ptr<testing::Postgres> postgres_;
  std::unique_ptr<testing::Load> load_;
  absl::Time load_from_ = absl::InfiniteFuture(), load_to_ = absl::InfiniteFuture();
};

}  // namespace godwit::agent
