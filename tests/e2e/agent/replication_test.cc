// Initial sync, changes, restarts and takeovers of the engine: see replication_fixture.h.
#include "agent/tracker/pins.h"
#include "tests/e2e/agent/replication_fixture.h"

namespace godwit::agent {
namespace {

TEST_P(ReplicationOnTest, InitialSyncThenChanges) {
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

TEST_P(ReplicationOnTest, AnAgentRestartSendsOnlyWhatChanged) {
  StartAgent();
  ExpectReplicaEqualsSource();
  StopAgent();
  Churn(1, 20);
  StartAgent();
  EXPECT_TRUE(resumed_);
  ExpectReplicaEqualsSource();
  EXPECT_LE(engine_->Progress().sent_bytes(), std::int64_t{45} * kBlockSize);
}

TEST_P(ReplicationOnTest, AWorkerRestartUnderLoadLosesNothing) {
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

TEST_F(ReplicationTest, AfterABootOnlyWhatDiffersTravels) {
  StartAgent();
  ExpectReplicaEqualsSource();
  const std::string before = loop_.Read();
  StopAgent();
  // Nothing of the kernel's outlives a boot; the agent's own notes are not believed.
  ASSERT_OK(RemovePins(device_.disk_id));
  boot_id_ = "next-boot";
  Churn(8, 60);
  const std::string now = loop_.Read();
  std::int64_t changed = 0;
  for (std::uint64_t at = 0; at < kBytes; at += kBlockSize)
    changed += before.compare(at, kBlockSize, now, at, kBlockSize) != 0 ? 1 : 0;
  ASSERT_GT(changed, 50);
  StartAgent();
  EXPECT_FALSE(resumed_);
  ExpectReplicaEqualsSource();
  const pb::AgentProgress progress = engine_->Progress();
  const std::int64_t limit = changed * std::int64_t{kBlockSize} * 105 / 100 + (1 << 20);
  EXPECT_GE(progress.sent_bytes(), changed * std::int64_t{kBlockSize});
  EXPECT_LE(progress.sent_bytes(), limit);
  EXPECT_LE(progress.wire_bytes(), limit);
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
  if (text == nullptr) GTEST_SKIP() << "started by KilledAgentTest";
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
                                   *rpc::ParsePrincipal(absl::StrCat("worker/", kWorker)), tls,
                                   rpc::Traffic::kData);
                });
  pb::Directive directive;
  directive.set_action(pb::Directive::REPLICATE);
  directive.mutable_assignment()->set_worker(absl::StrCat("workers/", kWorker));
  directive.mutable_assignment()->set_endpoint("127.0.0.1:" + words[4]);
  directive.mutable_assignment()->set_lease_generation(1);
  directive.mutable_settings()->mutable_cut_interval()->set_nanos(200000000);
  directive.mutable_settings()->set_lane_count(number(6));
  engine.SetDirective(directive);
  engine.Start();
  absl::SleepFor(absl::Seconds(30));  // the end comes before
}

class KilledAgentTest : public ReplicationTest,
                        public ::testing::WithParamInterface<std::pair<DeviceKind, int>> {
 protected:
  KilledAgentTest() : ReplicationTest(GetParam().first) {}
};
INSTANTIATE_TEST_SUITE_P(DevicesAndLanes, KilledAgentTest,
                         ::testing::Values(std::pair(DeviceKind::kLoop, 1),
                                           std::pair(DeviceKind::kLoop, 4),
                                           std::pair(DeviceKind::kZram, 1)));

TEST_P(KilledAgentTest, LosesNothing) {
  pki_.Write(absl::StrCat("agent/", kServer), dir_ / "tls");
  const std::string what =
      absl::StrCat(loop_.path(), " ", device_.disk_id, " ", device_.major, " ", device_.first_minor,
                   " ", port_, " ", dir_.path(), " ", GetParam().second);
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

INSTANTIATE_TEST_SUITE_P(Devices, ReplicationOnTest, AllDeviceKinds(), DeviceName);

}  // namespace
}  // namespace godwit::agent
