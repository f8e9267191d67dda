#include "tests/e2e/agent/crash/crash_fixture.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <utility>

#include "services/common/base/file.h"

namespace godwit::agent {

using ::godwit::testing::DiskImage;
using ::godwit::testing::Finding;
using ::godwit::testing::Load;
using ::godwit::testing::Mounted;
using ::godwit::testing::Postgres;
using ::godwit::testing::PostgresPlace;

namespace {

const std::string kSource = absl::StrCat(testing::kMountRoot, "/source");

// So many points are looked at at a time: half of a look is waiting for programs and the kernel.
constexpr int kLooks = 2;
std::string CopyOf(int look) { return absl::StrCat(testing::kMountRoot, "/copy", look); }

}  // namespace

void CrashTest::SetUp() {
  static const absl::Status entered = testing::EnterOwnMounts();
  ASSERT_OK(entered);
  settings_.mutable_cut_interval()->set_nanos(1000000);  // one point after the other
  settings_.set_never_freeze(true);
}

void CrashTest::TearDown() {
  StopSource();
  ReplicationRig::TearDown();
}

void CrashTest::AddFileSystem(const std::string& name, const std::string& type, std::uint64_t mib,
                              DeviceKind kind) {
  const SourceLoop& disk = AddDisk(name, mib << 20, kind);
  std::vector<std::string> command{absl::StrCat("/usr/sbin/mkfs.", type), "-q", disk.loop.path()};
  // A short journal: what it has must be written to its place soon, and is quickly replayed. (A log
  // of XFS below 64 MiB is allowed for tests only.)
  const bool small = disk.loop.unit() < 4096;  // a journal has at least 1024 blocks
  if (type == "ext4") {
    command.insert(command.end(),
                   {"-b", small ? "1024" : "4096", "-J", small ? "size=1" : "size=4"});
  }
  if (type == "xfs") command.insert(command.end(), {"--unsupported", "-l", "size=8m"});
  ASSERT_OK_AND_ASSIGN(Process mkfs,
                       Process::Start({.command = command, .log = dir_ / "mkfs.log"}));
  ASSERT_OK_AND_ASSIGN(const int status, mkfs.Wait(absl::Seconds(60)));
  ASSERT_EQ(status, 0) << mkfs.Log();
  ASSERT_OK_AND_ASSIGN(Mounted mounted,
                       Mounted::Mount(disk.loop.path(), absl::StrCat(kSource, "/", name), type));
  mounts_.push_back(std::move(mounted));
  devices_.push_back(disk.device_number());
  file_systems_.push_back({name, type});
}

PostgresPlace CrashTest::Place(const std::string& root) const {
  return {.data = absl::StrCat(root, "/", data_, "/pg"),
          .wal = data_ == wal_ ? "" : absl::StrCat(root, "/", wal_, "/log"),
          .run = absl::StrCat(root, "/run")};
}

void CrashTest::StartSource(const std::string& data, const std::string& wal, unsigned seed) {
  data_ = data;
  wal_ = wal;
  ReplicationRig::SetUp();
  const PostgresPlace place = Place(kSource);
  const std::string files = absl::StrCat(kSource, "/", data, "/files");
  ASSERT_OK(MakeDirs(files));
  ASSERT_OK(CreatePostgres(place));
  // Little memory and a short log: pages are written and the log is recycled all the time.
  ASSERT_OK_AND_ASSIGN(
      Postgres server,
      Postgres::Start(place,
                      {"fsync=on", "shared_buffers=1MB", "min_wal_size=2MB", "max_wal_size=8MB",
                       "checkpoint_timeout=30s", "autovacuum_naptime=2s"},
                      absl::Seconds(60)));
  postgres_ = std::make_unique<Postgres>(std::move(server));
  load_ = std::make_unique<Load>(place, files);
  ASSERT_OK(load_->Prepare());
  StartAgent();
  ASSERT_GT(AwaitPoint(""), 0);
  ASSERT_OK(load_->Start(seed));
  load_from_ = absl::Now();
}

void CrashTest::LimitBandwidth(std::int64_t bytes_per_second) {
  settings_.set_bandwidth_limit_bytes_per_second(bytes_per_second);
  Direct("");
}

std::vector<store::PointFacts> CrashTest::UnderLoad() {
  std::vector<store::PointFacts> points;
  absl::MutexLock lock(&mutex_);
  for (const store::PointFacts& point : points_) {
    if (point.cut_time > load_from_ && point.cut_time < load_to_) points.push_back(point);
  }
  return points;
}

void CrashTest::TakePoints(int count, absl::Duration limit) {
  for (const absl::Time end = absl::Now() + limit; absl::Now() < end;
       absl::SleepFor(absl::Milliseconds(20))) {
    if (UnderLoad().size() >= static_cast<std::size_t>(count)) break;
  }
  load_to_ = absl::Now();
  std::cout << UnderLoad().size() << " points under load in " << load_to_ - load_from_ << ", with "
            << load_->commits().AcknowledgedBefore(load_to_) << " commits recorded, "
            << engine_->Progress().sent_bytes() << " bytes sent" << std::endl;
}

void CrashTest::StopSource() {
  if (load_ != nullptr) EXPECT_OK(load_->Stop());
  StopAgent();
  if (postgres_ != nullptr) EXPECT_OK(postgres_->Stop());
  postgres_.reset();
  for (Mounted& mounted : mounts_) EXPECT_OK(mounted.Unmount());
  mounts_.clear();
}

std::vector<DiskImage> CrashTest::Images(int look) const {
  const std::string root = CopyOf(look);
  std::vector<DiskImage> images;
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    const FileSystem& fs = file_systems_[i];
    images.push_back({.file = absl::StrCat(root, "/", fs.name, ".raw"),
                      .bytes = disks_[i]->tracked.size_bytes,
                      .type = fs.type,
                      .folder = absl::StrCat(root, "/", fs.name)});
  }
  return images;
}

std::vector<std::string> CrashTest::Files(const std::vector<DiskImage>& images) {
  std::vector<std::string> files;
  for (const DiskImage& image : images) files.push_back(image.file);
  return files;
}

std::optional<store::PointFacts> CrashTest::Next(const std::vector<DiskImage>& images,
                                                 Looks* looks) {
  absl::MutexLock lock(&looks->mutex);
  if (looks->points.empty() || HasFatalFailure()) return std::nullopt;
  store::PointFacts point = std::move(looks->points.back());
  looks->points.pop_back();
  const auto hosted = host_->Open(kServer, generation_);
  EXPECT_OK(hosted);
  if (!hosted.ok()) return std::nullopt;
  EXPECT_OK((*hosted)->group->DeletePoints(std::exchange(looks->done, {})));
  ExportPoint(point.epoch, Files(images));
  if (HasFatalFailure()) return std::nullopt;
  return point;
}

void CrashTest::Remember(const store::PointFacts& point, const std::vector<Finding>& findings,
                         Looks* looks) {
  Found& found = looks->found;
  ++found.points;
  if (!findings.empty()) {
    ++found.bad_points;
    std::array<bool, Finding::kKinds> seen{};
    std::string text = absl::StrCat("the point of epoch ", point.epoch, ", cut at ",
                                    absl::FormatTime(point.cut_time), ":\n");
    for (const Finding& finding : findings) {
      absl::StrAppend(&text, "  ", KindName(finding.kind), ": ", finding.text, "\n");
      if (!std::exchange(seen[finding.kind], true)) ++found.by_kind[finding.kind];
    }
    if (found.first.empty()) found.first = text;
    Keep(point, text);
  }
  if (point.epoch != looks->newest) looks->done.push_back(point.epoch);
}

void CrashTest::Keep(const store::PointFacts& point, const std::string& text) {
  // Whoever wants to look at bad points names a folder for them.
  const char* const keep = std::getenv("GODWIT_KEEP_BAD_POINTS");
  if (keep == nullptr) return;
  ASSERT_OK(MakeDirs(keep));
  const std::string name = absl::StrCat(keep, "/", point.epoch, ".");
  ASSERT_OK(WriteFileAtomically(name + "txt", text));
  std::vector<std::string> files;
  for (const FileSystem& fs : file_systems_) files.push_back(absl::StrCat(name, fs.name, ".raw"));
  ExportPoint(point.epoch, files);
}

void CrashTest::Look(int look, Looks* looks) {
  const std::vector<DiskImage> images = Images(look);
  const std::string root = CopyOf(look);
  ASSERT_OK(MakeDirs(root));
  while (const std::optional<store::PointFacts> point = Next(images, looks)) {
    const std::vector<Finding> findings = testing::CheckPoint(
        images, Place(root), absl::StrCat(root, "/", data_, "/files"), *load_, point->cut_time);
    absl::MutexLock lock(&looks->mutex);
    Remember(*point, findings, looks);
  }
}

CrashTest::Found CrashTest::CheckPoints() {
  Looks looks;
  const absl::Time from = absl::Now();
  {
    const auto hosted = host_->Open(kServer, generation_);
    EXPECT_OK(hosted);
    absl::MutexLock lock(&looks.mutex);
    looks.points = UnderLoad();
    if (!hosted.ok() || looks.points.empty()) return {};
    looks.newest = (*hosted)->group->committed_epoch();
    // The oldest first: what is below it is a file or two then, and every point is as quick as the
    // first.
    for (std::int64_t epoch = 1; epoch < looks.points.front().epoch; ++epoch)
      looks.done.push_back(epoch);
    std::reverse(looks.points.begin(), looks.points.end());
  }
  {
    std::vector<std::jthread> threads;
    for (int look = 0; look < kLooks; ++look)
      threads.emplace_back([this, look, &looks] { Look(look, &looks); });
  }
  absl::MutexLock lock(&looks.mutex);
  const Found& found = looks.found;
  std::cout << found.points << " points looked at in " << absl::Now() - from << ", "
            << found.bad_points << " bad";
  for (int kind = 0; kind < Finding::kKinds; ++kind) {
    if (found.by_kind[static_cast<std::size_t>(kind)] > 0) {
      std::cout << ", " << KindName(static_cast<Finding::Kind>(kind)) << ": "
                << found.by_kind[static_cast<std::size_t>(kind)];
    }
  }
  std::cout << std::endl;
  return found;
}

}  // namespace godwit::agent
