// godwit-jobs end to end but for its peers: launches, proofs, failures, cancelling, removal.
#include "services/common/base/status_macros.h"
#include "tests/rpc/services/jobs/jobs_fixture.h"

namespace godwit::testing {
namespace {

using jobs::v1::Job;
using jobs::v1::JobStep;
using jobs::v1::ParticipatingServer;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::SizeIs;

class JobsServiceTest : public JobsFixture {
 protected:
  void SetUp() override {
    JobsFixture::SetUp();
    process_ = StartJobs();
    Connect(process_);
  }
  std::vector<ParticipatingServer::LaunchStatus> Reported(const std::string& server) {
    std::vector<ParticipatingServer::LaunchStatus> out;
    for (const auto& report : peers_.registry.Reports(server)) {
      out.push_back(report.launch_status());
    }
    return out;
  }
  // The PNG kept with a job; empty when there is none.
  std::string ScreenOf(const std::string& job, const std::string& server) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    jobs::v1::GetScreenshotRequest request;
    request.set_name(job);
    request.set_source_server(absl::StrCat("sourceServers/", server));
    jobs::v1::Screenshot screen;
    const auto got =
        rpc::FromGrpc(Stub("user/viewer/bob")->GetScreenshot(&context, request, &screen));
    return got.ok() ? screen.png() : "";
  }
  Process process_;
};

TEST_F(JobsServiceTest, LaunchesProvesAndTerminates) {
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(LaunchOf(server)));
  EXPECT_EQ(created.initiated_by(), "user/operator/alice");

  std::vector<Job> watched;
  {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(90));
    jobs::v1::WatchJobRequest request;
    request.set_name(created.name());
    const auto reader = Stub("user/viewer/bob")->WatchJob(&context, request);
    for (Job job; reader->Read(&job);) watched.push_back(job);
    EXPECT_OK(rpc::FromGrpc(reader->Finish()));
  }
  ASSERT_THAT(watched, ::testing::Not(IsEmpty()));
  const Job& job = watched.back();
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString() << process_.Log();
  EXPECT_GT(watched.size(), 2u) << "changes are shown as they come";
  const ParticipatingServer& launch = job.servers(0);
  EXPECT_EQ(launch.launch_status(), ParticipatingServer::LAUNCHED);
  EXPECT_EQ(launch.machine().first_boot(), jobs::v1::LaunchedMachine::SUCCEEDED);
  EXPECT_EQ(launch.machine().accelerator(), "tcg");
  EXPECT_THAT(launch.machine().proof(), ElementsAre(HasSubstr(kTinyHello)));
  EXPECT_EQ(launch.machine().endpoints().count(22), 1u);
  EXPECT_THAT(launch.point(), HasSubstr("/points/p-"));
  EXPECT_TRUE(launch.has_proven_time());
  for (const JobStep& step : launch.steps()) {
    EXPECT_TRUE(step.state() == JobStep::SUCCEEDED || step.state() == JobStep::SKIPPED)
        << step.DebugString();
  }
  EXPECT_THAT(Events(job.name()),
              IsSupersetOf({"JOB_START", "SNAPSHOT_START", "SNAPSHOT_END", "CONVERSION_START",
                            "CONVERSION_END", "LAUNCH_START", "BOOT_PROOF_START", "BOOT_PROOF_END",
                            "JOB_END"}));
  EXPECT_THAT(Events(job.name()), Contains("RIGHT_SIZING"));
  EXPECT_TRUE(launch.has_screenshot_time());
  EXPECT_THAT(ScreenOf(job.name(), server), ::testing::StartsWith("\x89PNG"));
  EXPECT_THAT(AllMachineProcesses(), SizeIs(1));
  EXPECT_THAT(Reported(server),
              ElementsAre(ParticipatingServer::IN_PROGRESS, ParticipatingServer::LAUNCHED));
  EXPECT_THAT(peers_.conversion.Tasks()[0].target().nics(0).mac_address(), "52:54:00:aa:bb:cc");
  EXPECT_FALSE(peers_.conversion.Tasks()[0].target().windows_allow_unclean());

  {
    grpc::ClientContext context;
    jobs::v1::ReadConsoleRequest request;
    request.set_machine_id(launch.machine().machine_id());
    jobs::v1::ReadConsoleResponse response;
    ASSERT_OK(rpc::FromGrpc(Stub("user/viewer/bob")->ReadConsole(&context, request, &response)));
    EXPECT_THAT(response.content(), HasSubstr(kTinyHello));
  }

  jobs::v1::CreateJobRequest terminate;
  terminate.set_request_id(NewUuid());
  terminate.set_type(Job::TERMINATE);
  terminate.add_servers()->set_source_server(absl::StrCat("sourceServers/", server));
  ASSERT_OK_AND_ASSIGN(const Job removal, Create(terminate));
  EXPECT_EQ(AwaitEnd(removal.name()).state(), Job::SUCCEEDED);
  EXPECT_THAT(AllMachineProcesses(), IsEmpty());
  EXPECT_THAT(MachineFolders(), IsEmpty());
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
  EXPECT_EQ(Reported(server).back(), ParticipatingServer::TERMINATED);
  EXPECT_THAT(Events(removal.name()), IsSupersetOf({"CLEANUP_START", "CLEANUP_END", "JOB_END"}));
  ASSERT_OK_AND_ASSIGN(const Job after, Get(created.name()));
  EXPECT_EQ(after.servers(0).launch_status(), ParticipatingServer::TERMINATED);
  EXPECT_FALSE(after.servers(0).has_machine());
}

// Nothing is launched, the registry is told nothing, and the clone is gone.
TEST_F(JobsServiceTest, APreflightLooksAndLeavesNothing) {
  const std::string server = NewId("s-");
  jobs::v1::StartPreflightRequest request;
  request.set_request_id(NewUuid());
  request.set_source_server(absl::StrCat("sourceServers/", server));
  request.set_profile("kvm-virtio-scsi");
  request.set_boot_mode(jobs::v1::LaunchSettings::UEFI);
  request.set_windows_allow_unclean(true);
  const auto start = [&](const std::string& who) -> absl::StatusOr<Job> {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    Job job;
    RETURN_IF_ERROR(rpc::FromGrpc(Stub(who)->StartPreflight(&context, request, &job)));
    return job;
  };
  EXPECT_EQ(start("user/viewer/bob").status().code(), absl::StatusCode::kPermissionDenied);
  ASSERT_OK_AND_ASSIGN(const Job created, start("user/operator/alice"));
  EXPECT_EQ(created.type(), Job::PREFLIGHT);
  EXPECT_EQ(created.initiated_by(), "user/operator/alice");
  ASSERT_OK_AND_ASSIGN(const Job again, start("user/operator/alice"));
  EXPECT_EQ(again.name(), created.name());
  const Job job = AwaitEnd(created.name());
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString();
  const auto tasks = peers_.conversion.Tasks();
  ASSERT_THAT(tasks, SizeIs(1));
  EXPECT_EQ(job.servers(0).conversion_task(), tasks[0].name());
  EXPECT_EQ(tasks[0].mode(), conversion::v1::ConversionTask::PREFLIGHT);
  EXPECT_EQ(tasks[0].target().profile(), "kvm-virtio-scsi");
  EXPECT_EQ(tasks[0].target().boot_mode(), jobs::v1::LaunchSettings::UEFI);
  EXPECT_TRUE(tasks[0].target().windows_allow_unclean());
  EXPECT_THAT(job.servers(0).point(), HasSubstr("/points/-")) << "the newest was asked for";
  EXPECT_FALSE(tasks[0].unfinished());
  EXPECT_EQ(peers_.replication.PointRequests(server), 0);
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
  EXPECT_THAT(Reported(server), IsEmpty());
  EXPECT_THAT(AllMachineProcesses(), IsEmpty());

  request.set_source_server("sourceServers/x");
  EXPECT_EQ(start("user/operator/alice").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(JobsServiceTest, APreflightThatFailsLeavesNothing) {
  peers_.conversion.SetMode(FakeConversion::Mode::kFail);
  jobs::v1::StartPreflightRequest request;
  request.set_request_id(NewUuid());
  request.set_source_server(absl::StrCat("sourceServers/", NewId("s-")));
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  Job created;
  ASSERT_OK(
      rpc::FromGrpc(Stub("user/operator/alice")->StartPreflight(&context, request, &created)));
  EXPECT_EQ(AwaitEnd(created.name()).state(), Job::FAILED);
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
}

TEST_F(JobsServiceTest, ACutoverMachineNeedsItsCloneNoLonger) {
  const std::string server = NewId("s-");
  jobs::v1::CreateJobRequest request = LaunchOf(server);
  request.set_type(Job::CUTOVER_LAUNCH);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(request));
  const Job job = AwaitEnd(created.name());
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString();
  EXPECT_THAT(AllMachineProcesses(), SizeIs(1));
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());

  jobs::v1::CreateJobRequest clean_up;
  clean_up.set_request_id(NewUuid());
  clean_up.set_type(Job::CLEAN_UP);
  clean_up.add_servers()->set_source_server(absl::StrCat("sourceServers/", server));
  ASSERT_OK_AND_ASSIGN(Job cleaned, Create(clean_up));
  EXPECT_EQ(AwaitEnd(cleaned.name()).state(), Job::SUCCEEDED);
  EXPECT_THAT(AllMachineProcesses(), SizeIs(1)) << "a machine in use is left alone unless named";
  clean_up.set_request_id(NewUuid());
  *clean_up.mutable_servers(0)->add_machines() = job.servers(0).machine();
  ASSERT_OK_AND_ASSIGN(cleaned, Create(clean_up));
  EXPECT_EQ(AwaitEnd(cleaned.name()).state(), Job::SUCCEEDED);
  EXPECT_THAT(AllMachineProcesses(), IsEmpty());
  EXPECT_THAT(MachineFolders(), IsEmpty());
}

TEST_F(JobsServiceTest, AGuestThatDoesNotComeUpFailsTheLaunchAndLeavesNothing) {
  peers_.replication.SetGuest("going down", TinyOsEnd::kPowerOff);
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(LaunchOf(server)));
  const Job job = AwaitEnd(created.name());
  EXPECT_EQ(job.state(), Job::FAILED);
  EXPECT_THAT(job.servers(0).error().message(), HasSubstr("stopped by itself"));
  EXPECT_EQ(job.servers(0).launch_status(), ParticipatingServer::FAILED);
  EXPECT_THAT(Events(job.name()),
              IsSupersetOf({"BOOT_PROOF_FAIL", "UNDO_START", "UNDO_END", "JOB_END"}));
  EXPECT_THAT(AllMachineProcesses(), IsEmpty());
  EXPECT_THAT(MachineFolders(), IsEmpty());
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
  EXPECT_EQ(Reported(server).back(), ParticipatingServer::FAILED);
}

TEST_F(JobsServiceTest, WhyADiskDoesNotBootIsNamedAndItsScreenIsKept) {
  peers_.replication.SetGuest("", TinyOsEnd::kNoBoot);
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(LaunchOf(server)));
  const Job job = AwaitEnd(created.name());
  EXPECT_EQ(job.state(), Job::FAILED);
  EXPECT_THAT(job.servers(0).error().message(), HasSubstr("NO_BOOTABLE_DEVICE"));
  EXPECT_FALSE(job.servers(0).has_machine()) << "it was removed";
  EXPECT_TRUE(job.servers(0).has_screenshot_time());
  EXPECT_THAT(ScreenOf(job.name(), server), ::testing::StartsWith("\x89PNG"));
  EXPECT_EQ(ScreenOf(job.name(), NewId("s-")), "");
}

TEST_F(JobsServiceTest, APortThatOnlyTheNetworkAcceptsIsNoProof) {
  // The guest has no network at all; the host's end of the forward accepts all the same.
  const std::string server = NewId("s-");
  jobs::v1::CreateJobRequest request = LaunchOf(server);
  auto* settings = request.mutable_servers(0)->mutable_launch_settings();
  settings->mutable_boot_proof()->clear_console_text();
  settings->mutable_boot_proof()->add_tcp_ports(22);
  settings->mutable_boot_proof()->mutable_timeout()->set_seconds(8);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(request));
  const Job job = AwaitEnd(created.name());
  EXPECT_EQ(job.state(), Job::FAILED) << job.DebugString();
  EXPECT_THAT(job.servers(0).error().message(), HasSubstr("does not answer"));
}

TEST_F(JobsServiceTest, AnActionThatCannotRunFailsNoLaunchAndIsReported) {
  const std::string server = NewId("s-");
  jobs::v1::CreateJobRequest request = LaunchOf(server);
  auto* settings = request.mutable_servers(0)->mutable_launch_settings();
  (*settings->mutable_machine_tags())["owner"] = "tests";
  settings->set_right_sizing(jobs::v1::LaunchSettings::IN_USE);
  settings->clear_memory_bytes();
  auto* action = settings->add_post_launch_actions();
  action->set_action_id("over-ssh");
  action->set_order(2);
  action->set_command("true");
  action->set_active(true);
  action->set_must_succeed_for_cutover(true);
  action->set_transport(jobs::v1::PostLaunchAction::SSH);  // for which there is no key
  action = settings->add_post_launch_actions();
  action->set_action_id("cutover-only");
  action->set_order(1);
  action->set_command("true");
  action->set_active(true);
  action->set_deployment(jobs::v1::PostLaunchAction::CUTOVER_ONLY);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(request));
  const Job job = AwaitEnd(created.name());
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString();
  const auto& actions = job.servers(0).machine().actions();
  ASSERT_EQ(actions.size(), 2);
  EXPECT_EQ(actions[0].action_id(), "cutover-only");
  EXPECT_EQ(actions[0].state(), jobs::v1::ActionResult::SKIPPED);
  EXPECT_EQ(actions[1].state(), jobs::v1::ActionResult::FAILED);
  EXPECT_TRUE(actions[1].blocks_cutover());
  EXPECT_THAT(Events(job.name()), IsSupersetOf({"RIGHT_SIZING", "ACTION_START", "ACTION_FAIL"}));
  for (const auto& item : Log(job.name())) {
    if (item.event() != jobs::v1::JobLogItem::RIGHT_SIZING) continue;
    EXPECT_THAT(item.message(), HasSubstr("1 CPUs (0.40 cores suffice 95 % of the time, x 1.3"));
    EXPECT_THAT(item.message(), HasSubstr("512 MiB of memory (at most 100 MiB were in use"));
    EXPECT_THAT(item.message(), HasSubstr("measured for 42 minutes"));
  }
  const auto reports = peers_.registry.Reports(server);
  EXPECT_TRUE(reports.back().machine().actions(1).blocks_cutover());
}

TEST_F(JobsServiceTest, AFailedConversionFailsTheLaunch) {
  peers_.conversion.SetMode(FakeConversion::Mode::kFail);
  jobs::v1::CreateJobRequest request = LaunchOf(NewId("s-"));
  request.mutable_servers(0)->mutable_launch_settings()->set_windows_allow_unclean(true);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(request));
  const Job job = AwaitEnd(created.name());
  EXPECT_EQ(job.state(), Job::FAILED);
  EXPECT_THAT(job.error().message(), HasSubstr("no kernel was found"));
  EXPECT_TRUE(peers_.conversion.Tasks()[0].target().windows_allow_unclean());
  EXPECT_THAT(Events(job.name()), Contains("CONVERSION_FAIL"));
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
}

TEST_F(JobsServiceTest, CancellingRemovesWhatWasMade) {
  peers_.conversion.SetMode(FakeConversion::Mode::kHang);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(LaunchOf(NewId("s-"))));
  for (int i = 0; i < 200 && peers_.conversion.Tasks().empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  ASSERT_THAT(peers_.conversion.Tasks(), SizeIs(1));
  grpc::ClientContext context;
  jobs::v1::CancelJobRequest request;
  request.set_name(created.name());
  request.set_request_id(NewUuid());
  Job cancelled;
  ASSERT_OK(rpc::FromGrpc(Stub("user/operator/alice")->CancelJob(&context, request, &cancelled)));
  EXPECT_EQ(cancelled.state(), Job::CANCELLING);
  const Job job = AwaitEnd(created.name());
  EXPECT_EQ(job.state(), Job::CANCELLED);
  EXPECT_THAT(Events(job.name()), IsSupersetOf({"JOB_CANCEL", "UNDO_END", "JOB_END"}));
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
  EXPECT_EQ(peers_.conversion.Tasks()[0].state(), conversion::v1::ConversionTask::CANCELLED);
}

TEST_F(JobsServiceTest, ChecksCallersAndRequests) {
  const jobs::v1::CreateJobRequest good = LaunchOf(NewId("s-"));
  EXPECT_THAT(Create(good, "user/admin/root"),
              StatusIs(absl::StatusCode::kPermissionDenied, "service"));
  const auto refused = [&](auto&& change, const std::string& field) {
    jobs::v1::CreateJobRequest bad = good;
    change(bad);
    EXPECT_THAT(Create(bad), StatusIs(absl::StatusCode::kInvalidArgument, field));
  };
  refused([](auto& bad) { bad.set_request_id("x"); }, "request_id");
  refused([](auto& bad) { bad.set_type(Job::EXPORT); }, "type");
  refused([](auto& bad) { bad.clear_servers(); }, "servers");
  refused([](auto& bad) { *bad.add_servers() = bad.servers(0); }, "servers[1].source_server");
  refused([](auto& bad) { bad.mutable_servers(0)->set_source_server("sourceServers/../x"); },
          "servers[0].source_server");
  refused([](auto& bad) { bad.mutable_servers(0)->clear_launch_settings(); }, "launch_settings");
  refused([](auto& bad) { bad.mutable_servers(0)->set_point("sourceServers/s-1/points/p-1"); },
          "servers[0].point");
  refused([](auto& bad) { bad.mutable_servers(0)->add_machines()->set_machine_id("i-../../x"); },
          "machines.machine_id");
  refused([](auto& bad) { bad.mutable_servers(0)->mutable_launch_settings()->set_memory_bytes(1); },
          "memory_bytes");
  refused(
      [](auto& bad) {
        bad.mutable_servers(0)->mutable_launch_settings()->mutable_boot_proof()->add_tcp_ports(99);
      },
      "boot_proof.tcp_ports");
  refused(
      [](auto& bad) {
        auto* check = bad.mutable_servers(0)
                          ->mutable_launch_settings()
                          ->mutable_boot_proof()
                          ->add_http_checks();
        check->set_guest_port(22);
        check->set_path("/a b\r\nX: y");
      },
      "http_checks.path");
}

TEST_F(JobsServiceTest, ASecondJobOfTheServerNamesTheFirst) {
  peers_.conversion.SetMode(FakeConversion::Mode::kHang);
  const std::string server = NewId("s-");
  const jobs::v1::CreateJobRequest request = LaunchOf(server);
  ASSERT_OK_AND_ASSIGN(const Job first, Create(request));
  ASSERT_OK_AND_ASSIGN(const Job same, Create(request));
  EXPECT_EQ(same.name(), first.name());
  const auto second = Create(LaunchOf(server));
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kAlreadyExists, first.name()));
  EXPECT_THAT(rpc::GetInfo(second.status()).metadata,
              ElementsAre(::testing::Pair("job", first.name())));
  peers_.conversion.SetMode(FakeConversion::Mode::kFail);
  EXPECT_EQ(AwaitEnd(first.name()).state(), Job::FAILED);
}

TEST_F(JobsServiceTest, EndsInOrderAndMachinesGoOn) {
  ASSERT_OK_AND_ASSIGN(const Job created, Create(LaunchOf(NewId("s-"))));
  ASSERT_EQ(AwaitEnd(created.name()).state(), Job::SUCCEEDED);
  const std::vector<int> before = AllMachineProcesses();
  ASSERT_THAT(before, SizeIs(1));
  ASSERT_OK_AND_ASSIGN(const int status, process_.Terminate());
  EXPECT_EQ(status, 0);
  EXPECT_EQ(AllMachineProcesses(), before);
  process_ = StartJobs();
  Connect(process_);
  jobs::v1::CreateJobRequest terminate;
  terminate.set_request_id(NewUuid());
  terminate.set_type(Job::TERMINATE);
  terminate.add_servers()->set_source_server(created.servers(0).source_server());
  ASSERT_OK_AND_ASSIGN(const Job removal, Create(terminate));
  EXPECT_EQ(AwaitEnd(removal.name()).state(), Job::SUCCEEDED);
  EXPECT_THAT(AllMachineProcesses(), IsEmpty());
}

}  // namespace
}  // namespace godwit::testing
