// Agent engine, block stream, worker and store together, on a real device. Every test ends in a
// byte-for-byte comparison.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/engine/engine.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/scan_tracker.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/channel.h"
#include "services/replication/worker/rpc/block_stream_service.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::agent {
namespace {

namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using ::godwit::testing::LoopDevice;
using ::godwit::testing::Process;
using ::godwit::testing::TempDir;
using ::godwit::testing::TestPki;

constexpr char kServer[] = "s-0123456789abcdef0";
constexpr char kWorker[] = "w-0123456789abcdef0";
constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;

class ReplicationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(store_, store::OpenFileStore(dir_ / "store"));
    ASSERT_OK_AND_ASSIGN(freezer_, Freezer::Start());
    StartWorker(1);
    std::mt19937 random(7);
    for (int i = 0; i < 200; ++i)
      loop_.Write(random() % (kBytes / 4096 - 1) * 4096, 4096, random());
  }
  void TearDown() override {
    StopAgent();
    StopWorker();
    auto tracker = StartEbpfTracker(device_);
    if (tracker.ok()) EXPECT_OK((*tracker)->Detach());
  }

  void StartWorker(std::int64_t generation) {
    generation_ = generation;
    leases_ = std::make_unique<worker::LeaseTable>(RealClock());
    Renew();
    host_ = std::make_unique<worker::GroupHost>(*store_, *leases_);
    service_ = std::make_unique<worker::BlockStreamService>(
        *host_, *leases_, worker::BlockStreamService::Options{},
        [this](const std::string&, std::int64_t, const store::PointFacts& facts) {
          absl::MutexLock lock(&mutex_);
          points_.push_back(facts);
        });
    ASSERT_OK_AND_ASSIGN(server_,
                         rpc::Server::Start({.listen = absl::StrCat("127.0.0.1:", port_),
                                             .tls = pki_.Issue(absl::StrCat("worker/", kWorker))},
                                            {service_.get()}));
    port_ = server_->port();
  }
  void Renew() {
    leases_->Renew(RealClock().Monotonic(), absl::Minutes(10),
                   {{kServer,
                     {.generation = generation_,
                      .disks = {{.disk_id = device_.disk_id,
                                 .device_name = "/dev/sda",
                                 .size_bytes = kBytes,
                                 .is_boot_disk = true}}}}});
  }
  void StopWorker() {
    if (host_ != nullptr) host_->CloseAll();
    server_.reset();
    service_.reset();
    host_.reset();
  }

  std::unique_ptr<WriteCapture> StartCapture() {
    if (scan_ || freeze_) return nullptr;
    auto capture = WriteCapture::Start({{device_, loop_.path()}}, 16 << 20);
    if (!absl::IsNotFound(capture.status())) EXPECT_OK(capture);
    return capture.ok() ? *std::move(capture) : nullptr;
  }
  void StartAgent() {
    ASSERT_OK_AND_ASSIGN(
        auto tracker,
        scan_ ? StartScanTracker(loop_.path(), kBytes, "the test wants it", absl::Seconds(1))
              : StartEbpfTracker(device_));
    resumed_ = tracker->Resumed();
    ASSERT_OK_AND_ASSIGN(
        auto disk, SourceDisk::Open(device_.disk_id, loop_.path(), kBytes, std::move(tracker)));
    std::vector<std::unique_ptr<SourceDisk>> disks;
    disks.push_back(std::move(disk));
    engine_ = std::make_unique<Engine>(
        Engine::Options{.source_server = absl::StrCat("sourceServers/", kServer),
                        .state_path = dir_ / "replica.json",
                        .boot_id = "this-boot",
                        .quiesce_folder = dir_ / "quiesce.d",
                        .resume_folder = dir_ / "resume.d",
                        .devices = devices_},
        std::move(disks), StartCapture(), freezer_.get(), [this](const pb::Assignment& assignment) {
          return rpc::Dial(assignment.endpoint(),
                           *rpc::ParsePrincipal(absl::StrCat("worker/", kWorker)),
                           pki_.Issue(absl::StrCat("agent/", kServer)));
        });
    Direct("");
    engine_->Start();
  }
  void StopAgent() {
    if (engine_ != nullptr) engine_->Stop();
    engine_.reset();
  }
  void Direct(const std::string& request_id) {
    pb::Directive directive;
    directive.set_action(pb::Directive::REPLICATE);
    directive.mutable_assignment()->set_worker(absl::StrCat("workers/", kWorker));
    directive.mutable_assignment()->set_endpoint(absl::StrCat("127.0.0.1:", port_));
    directive.mutable_assignment()->set_lease_generation(generation_);
    directive.mutable_settings()->mutable_cut_interval()->set_seconds(1);
    if (!request_id.empty()) {
      directive.mutable_point_order()->set_request_id(request_id);
      directive.mutable_point_order()->set_quiesce(true);
    }
    engine_->SetDirective(directive);
  }

  // Waits for a point of that request (any, when empty) that is newer than `after`; its epoch.
  std::int64_t AwaitPoint(const std::string& request_id, std::int64_t after = 0) {
    for (int i = 0; i < 600; ++i) {
      {
        absl::MutexLock lock(&mutex_);
        for (const store::PointFacts& point : points_) {
          if (point.epoch > after && (request_id.empty() || point.request_id == request_id))
            return point.epoch;
        }
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    ADD_FAILURE() << "no point: " << engine_->Progress().ShortDebugString();
    return 0;
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
    ASSERT_OK_AND_ASSIGN(const auto hosted, host_->Open(kServer, generation_));
    ASSERT_OK_AND_ASSIGN(const auto clone,
                         hosted->group->CreateClone("c-0123456789abcdef0", epoch));
    const std::string raw = dir_ / "clone.raw";
    ASSERT_OK_AND_ASSIGN(Process convert,
                         Process::Start({.command = {"/usr/bin/qemu-img", "convert", "-O", "raw",
                                                     clone[0].path, raw},
                                         .log = dir_ / "convert.log"}));
    ASSERT_OK_AND_ASSIGN(const int status, convert.Wait(absl::Seconds(60)));
    ASSERT_EQ(status, 0) << convert.Log();
    ASSERT_OK_AND_ASSIGN(*content, ReadFile(raw, kBytes + 1));
    ASSERT_OK(hosted->group->DeleteClone("c-0123456789abcdef0"));
  }
  void Churn(unsigned seed, int writes) {
    std::mt19937 random(seed);
    for (int i = 0; i < writes; ++i)
      loop_.Write(random() % (kBytes / 512 - 64) * 512, 512 * (1 + random() % 64), random());
  }

  TempDir dir_;
  LoopDevice loop_{dir_ / "disk", kBytes};
  const TrackedDevice device_{.disk_id = NewId("d-"),
                              .major = loop_.major_number(),
                              .first_minor = loop_.minor_number(),
                              .size_bytes = kBytes};
  TestPki pki_;
  std::unique_ptr<Freezer> freezer_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<worker::LeaseTable> leases_;
  std::unique_ptr<worker::GroupHost> host_;
  std::unique_ptr<worker::BlockStreamService> service_;
  std::unique_ptr<rpc::Server> server_;
  int port_ = 0;
  std::int64_t generation_ = 0;
  bool resumed_ = false, scan_ = false, freeze_ = false;
  std::vector<std::string> devices_;  // of file systems to freeze
  std::unique_ptr<Engine> engine_;
  absl::Mutex mutex_;
  std::vector<store::PointFacts> points_;
};

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

TEST_F(ReplicationTest, InitialSyncThenChanges) {
  StartAgent();
  AwaitPoint("");
  ExpectReplicaEqualsSource();
  const std::int64_t sent = engine_->Progress().sent_bytes();
  EXPECT_LT(sent, std::int64_t{20} << 20) << "zeros do not travel";
  for (unsigned round = 0; round < 3; ++round) {
    Churn(round, 100);
    std::uint64_t range[2] = {(round + 3) * kBlockSize, 5 * kBlockSize};
    ASSERT_EQ(ioctl(loop_.fd(), BLKDISCARD, range), 0);
    ExpectReplicaEqualsSource();
  }
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

TEST_F(ReplicationTest, WithoutTheKernelsHelpByScanning) {
  scan_ = true;
  StartAgent();
  AwaitPoint("");
  ExpectReplicaEqualsSource();
  Churn(5, 50);
  ExpectReplicaEqualsSource();
  const std::int64_t sent = engine_->Progress().sent_bytes();
  StopAgent();
  Churn(6, 10);
  StartAgent();
  EXPECT_FALSE(resumed_);
  ExpectReplicaEqualsSource();
  EXPECT_LT(engine_->Progress().sent_bytes(), sent / 2) << "only what differs travels";
}

TEST_F(ReplicationTest, AnAgentRestartSendsOnlyWhatChanged) {
  StartAgent();
  ExpectReplicaEqualsSource();
  StopAgent();
  Churn(1, 20);
  StartAgent();
  EXPECT_TRUE(resumed_);
  ExpectReplicaEqualsSource();
  EXPECT_LE(engine_->Progress().sent_bytes(), std::int64_t{45} * kBlockSize);
}

TEST_F(ReplicationTest, AWorkerRestartUnderLoadLosesNothing) {
  StartAgent();
  std::thread writer([this] {
    for (unsigned i = 0; i < 40; ++i) {
      Churn(i, 30);
      absl::SleepFor(absl::Milliseconds(50));
    }
  });
  for (std::int64_t generation = 2; generation < 6; ++generation) {
    absl::SleepFor(absl::Milliseconds(400));
    StopWorker();
    StartWorker(generation);
    Direct("");
  }
  writer.join();
  ExpectReplicaEqualsSource();
}

TEST_F(ReplicationTest, AnotherReplicaIsComparedNotTrusted) {
  StartAgent();
  ExpectReplicaEqualsSource();
  StopAgent();
  // Tracking is lost, as by a reboot, and the disk changed meanwhile.
  {
    ASSERT_OK_AND_ASSIGN(const auto tracker, StartEbpfTracker(device_));
    ASSERT_OK(tracker->Detach());
  }
  Churn(3, 20);
  StartAgent();
  EXPECT_FALSE(resumed_);
  ExpectReplicaEqualsSource();
  EXPECT_LE(engine_->Progress().sent_bytes(), std::int64_t{45} * kBlockSize)
      << "only what differs travels";
}

TEST_F(ReplicationTest, ADiskThatVanishesIsReportedAndFoundAgain) {
  StartAgent();
  ExpectReplicaEqualsSource();
  StopAgent();
  Churn(1, 20);
  loop_.Resize(0);
  StartAgent();
  pb::AgentProgress progress;
  for (int i = 0; i < 200 && progress.error_message().empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(50));
    progress = engine_->Progress();
  }
  EXPECT_THAT(progress.error_message(), ::testing::HasSubstr(loop_.path()));
  EXPECT_EQ(progress.stall_cause(), pb::Replication::SOURCE_READ_ERROR);
  ASSERT_OK_AND_ASSIGN(const auto hosted, host_->Open(kServer, generation_));
  EXPECT_GE(hosted->group->committed_epoch(), 1) << "the points before are kept";
  loop_.Resize(kBytes);
  Churn(2, 20);
  // What came back is another content that nobody marked: tracking starts anew.
  StopAgent();
  {
    ASSERT_OK_AND_ASSIGN(const auto tracker, StartEbpfTracker(device_));
    ASSERT_OK(tracker->Detach());
  }
  StartAgent();
  ExpectReplicaEqualsSource();
}

TEST_F(ReplicationTest, HooksRunAroundAPointAndAFailureIsReported) {
  ASSERT_OK(MakeDirs(dir_ / "quiesce.d"));
  ASSERT_OK(MakeDirs(dir_ / "resume.d"));
  const auto hook = [&](const std::string& name, const std::string& body) {
    ASSERT_OK(WriteFileAtomically(dir_ / name, "#!/bin/sh\n" + body, 0755));
  };
  hook("quiesce.d/10", absl::StrCat("echo quiesced >>", dir_ / "order"));
  hook("resume.d/10", absl::StrCat("echo resumed >>", dir_ / "order"));
  StartAgent();
  AwaitPoint("");
  ExpectReplicaEqualsSource();
  EXPECT_EQ(*ReadFile(dir_ / "order"), "quiesced\nresumed\n");
  hook("quiesce.d/20", "echo the database is busy; exit 3");
  const std::string request = NewUuid();
  Direct(request);
  std::optional<pb::PointReport> report;
  for (int i = 0; i < 200 && !(report && report->failed()); ++i) {
    absl::SleepFor(absl::Milliseconds(50));
    report = engine_->Report();
  }
  ASSERT_TRUE(report && report->failed());
  EXPECT_THAT(report->error_message(), ::testing::HasSubstr("the database is busy"));
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(*ReadFile(dir_ / "order"), "quiesced\nresumed\nquiesced\nresumed\n")
      << "the source is not left at rest";
}

// The engine in a process of its own, so that it can be killed. Told by the environment what to do.
TEST(AgentProcess, Child) {
  const char* const text = std::getenv("GODWIT_TEST_AGENT");
  if (text == nullptr) GTEST_SKIP() << "started by AKilledAgentLosesNothing";
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  const auto number = [&](std::size_t i) { return std::atoi(words[i].c_str()); };
  const TrackedDevice device{
      .disk_id = words[1], .major = number(2), .first_minor = number(3), .size_bytes = kBytes};
  ASSERT_OK_AND_ASSIGN(const auto freezer, Freezer::Start());
  ASSERT_OK_AND_ASSIGN(auto tracker, StartEbpfTracker(device));
  ASSERT_OK_AND_ASSIGN(auto disk,
                       SourceDisk::Open(device.disk_id, words[0], kBytes, std::move(tracker)));
  std::vector<std::unique_ptr<SourceDisk>> disks;
  disks.push_back(std::move(disk));
  ASSERT_OK_AND_ASSIGN(auto capture, WriteCapture::Start({{device, words[0]}}, 16 << 20));
  ASSERT_OK_AND_ASSIGN(const rpc::TlsMaterial tls, rpc::LoadTls(words[5] + "/tls"));
  Engine engine({.source_server = absl::StrCat("sourceServers/", kServer),
                 .state_path = words[5] + "/replica.json",
                 .boot_id = "this-boot",
                 .quiesce_folder = words[5] + "/quiesce.d",
                 .resume_folder = words[5] + "/resume.d"},
                std::move(disks), std::move(capture), freezer.get(),
                [&](const pb::Assignment& assignment) {
                  return rpc::Dial(assignment.endpoint(),
                                   *rpc::ParsePrincipal(absl::StrCat("worker/", kWorker)), tls);
                });
  pb::Directive directive;
  directive.set_action(pb::Directive::REPLICATE);
  directive.mutable_assignment()->set_worker(absl::StrCat("workers/", kWorker));
  directive.mutable_assignment()->set_endpoint("127.0.0.1:" + words[4]);
  directive.mutable_assignment()->set_lease_generation(1);
  directive.mutable_settings()->mutable_cut_interval()->set_nanos(200000000);
  engine.SetDirective(directive);
  engine.Start();
  absl::SleepFor(absl::Seconds(30));  // the end comes before
}

TEST_F(ReplicationTest, AKilledAgentLosesNothing) {
  pki_.Write(absl::StrCat("agent/", kServer), dir_ / "tls");
  const std::string what = absl::StrCat(loop_.path(), " ", device_.disk_id, " ", device_.major, " ",
                                        device_.first_minor, " ", port_, " ", dir_.path());
  // In the middle of whatever it does, and at both sides of a commit.
  int round = 0;
  for (const std::string failpoint :
       {"", "agent.cut.before_commit:2:crash", "agent.cut.after_commit:2:crash", ""}) {
    ASSERT_OK_AND_ASSIGN(
        Process child,
        Process::Start(
            {.command = {std::filesystem::read_symlink("/proc/self/exe").string(),
                         "--gtest_filter=AgentProcess.Child"},
             .log = dir_ / absl::StrCat("child", round),
             .environment = {{"GODWIT_TEST_AGENT", what}, {"GODWIT_FAILPOINT", failpoint}}}));
    for (int i = 0; i < 60 && child.Running(); ++i) {
      Churn(static_cast<unsigned>(round * 1000 + i), 10);
      absl::SleepFor(absl::Milliseconds(20));
    }
    if (failpoint.empty()) {
      child.Signal(SIGKILL);
    } else {
      ASSERT_OK_AND_ASSIGN(const int status, child.Wait(absl::Seconds(20)));
      EXPECT_TRUE(WIFSIGNALED(status)) << child.Log();
    }
    Churn(static_cast<unsigned>(round++), 10);  // while nobody watches but the kernel
  }
  StartAgent();
  EXPECT_TRUE(resumed_);
  ExpectReplicaEqualsSource();
}

}  // namespace
}  // namespace godwit::agent
