// godwit-jobs with target export: a launch becomes a folder of files, nothing is started.
#include <signal.h>

#include "tests/rpc/services/jobs/jobs_fixture.h"

namespace godwit::testing {
namespace {

using jobs::v1::Job;
using jobs::v1::JobStep;
using jobs::v1::LaunchedMachine;
using jobs::v1::ParticipatingServer;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::SizeIs;

class JobsExportTest : public JobsFixture {
 protected:
  void SetUp() override {
    JobsFixture::SetUp();
    more_flags_ = {absl::StrCat("--export-dir=", exports_)};
  }
  jobs::v1::CreateJobRequest ExportOf(const std::string& server, const std::string& format) const {
    jobs::v1::CreateJobRequest request = LaunchOf(server);
    jobs::v1::LaunchSettings* settings = request.mutable_servers(0)->mutable_launch_settings();
    settings->set_target("export");
    settings->set_export_format(format);
    settings->set_machine_name("web1");
    (*settings->mutable_machine_tags())["owner"] = "shop";
    jobs::v1::PostLaunchAction* action = settings->add_post_launch_actions();
    action->set_action_id("greet");
    action->set_order(1);
    action->set_command("true");
    action->set_active(true);
    return request;
  }
  absl::StatusOr<Job> Remove(Job::Type type, const Job& launch, bool name_machine) {
    jobs::v1::CreateJobRequest request;
    request.set_request_id(NewUuid());
    request.set_type(type);
    request.add_servers()->set_source_server(launch.servers(0).source_server());
    if (name_machine) *request.mutable_servers(0)->add_machines() = launch.servers(0).machine();
    return Create(request);
  }
  static std::map<std::string, JobStep::State> StepsOf(const Job& job) {
    std::map<std::string, JobStep::State> out;
    for (const JobStep& step : job.servers(0).steps()) out[step.step()] = step.state();
    return out;
  }
  std::vector<std::string> ExportFolders() const {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(exports_, error)) {
      if (entry.is_directory()) out.push_back(entry.path().filename().string());
    }
    return out;
  }
  static bool Runs(const std::string& command) { return std::system(command.c_str()) == 0; }

  const std::string exports_ = dir_ / "exports";
};

TEST_F(JobsExportTest, ATestLaunchIsAFolderThatTerminateRemoves) {
  Process process = StartJobs();
  Connect(process);
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(ExportOf(server, "vmdk")));
  const Job job = AwaitEnd(created.name());
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString() << process.Log();
  const LaunchedMachine& machine = job.servers(0).machine();
  EXPECT_EQ(job.servers(0).launch_status(), ParticipatingServer::LAUNCHED);
  EXPECT_EQ(machine.target(), "export");
  EXPECT_EQ(machine.first_boot(), LaunchedMachine::STOPPED);
  EXPECT_THAT(machine.folder(), HasSubstr("/exports/" + machine.machine_id()));
  ASSERT_EQ(machine.actions_size(), 1);
  EXPECT_EQ(machine.actions(0).state(), jobs::v1::ActionResult::SKIPPED);
  const auto steps = StepsOf(job);
  EXPECT_EQ(steps.at("create_machine"), JobStep::SUCCEEDED);
  EXPECT_EQ(steps.at("start_machine"), JobStep::SKIPPED);
  EXPECT_EQ(steps.at("prove_boot"), JobStep::SKIPPED);
  EXPECT_THAT(Events(job.name()), IsSupersetOf({"CONVERSION_END", "RIGHT_SIZING", "STEP_SKIPPED",
                                                "STEP_SKIPPED", "STEP_SKIPPED", "JOB_END"}));
  EXPECT_THAT(Events(job.name()), Not(Contains("BOOT_PROOF_START")));
  EXPECT_THAT(AllMachineProcesses(), IsEmpty());
  // The files are the clone as the conversion left it.
  const auto task = peers_.conversion.Tasks().at(0);
  EXPECT_TRUE(Runs(absl::StrCat("cd ", machine.folder(), " && sha256sum --quiet -c SHA256SUMS && ",
                                "grep -q '\"owner\": \"shop\"' machine.json && qemu-img compare ",
                                "-q -f vmdk -F qcow2 disk0.vmdk ", task.disks(0).path())));
  ASSERT_THAT(peers_.registry.Reports(server), SizeIs(2));
  EXPECT_EQ(peers_.registry.Reports(server).back().machine().folder(), machine.folder());

  ASSERT_OK_AND_ASSIGN(const Job removal, Remove(Job::TERMINATE, job, false));
  EXPECT_EQ(AwaitEnd(removal.name()).state(), Job::SUCCEEDED);
  EXPECT_THAT(ExportFolders(), IsEmpty());
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
}

TEST_F(JobsExportTest, ACutoverStaysAndNeedsNoStaging) {
  Process process = StartJobs();
  Connect(process);
  jobs::v1::CreateJobRequest request = ExportOf(NewId("s-"), "ova");
  request.set_type(Job::CUTOVER_LAUNCH);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(request));
  const Job job = AwaitEnd(created.name());
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString() << process.Log();
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty()) << "staging may go";
  const std::string folder = job.servers(0).machine().folder();
  // As when a cutover is finalised: what is in use stays.
  ASSERT_OK_AND_ASSIGN(const Job cleaned, Remove(Job::CLEAN_UP, job, false));
  EXPECT_EQ(AwaitEnd(cleaned.name()).state(), Job::SUCCEEDED);
  EXPECT_TRUE(Runs(absl::StrCat("cd ", folder, " && sha256sum --quiet -c SHA256SUMS && tar tf ",
                                "web1.ova | grep -qx disk0.vmdk && tar xOf web1.ova web1.ovf | ",
                                "cmp - web1.ovf")));
  ASSERT_OK_AND_ASSIGN(const Job gone, Remove(Job::CLEAN_UP, job, true));
  EXPECT_EQ(AwaitEnd(gone.name()).state(), Job::SUCCEEDED);
  EXPECT_THAT(ExportFolders(), IsEmpty());
}

TEST_F(JobsExportTest, AKilledServiceIsFollowedByOneThatEndsTheWork) {
  Process process = StartJobs({{"GODWIT_FAILPOINT", "jobs.export.rename.before:1:crash"}});
  Connect(process);
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(ExportOf(server, "qcow2")));
  ASSERT_OK_AND_ASSIGN(const int status, process.Wait(absl::Seconds(60)));
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << process.Log();
  process = StartJobs();
  Connect(process);
  const Job job = AwaitEnd(created.name());
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString() << process.Log();
  EXPECT_THAT(Events(job.name()), Contains("RUNNER_TAKEOVER"));
  EXPECT_THAT(ExportFolders(), SizeIs(1));
  EXPECT_TRUE(Runs(absl::StrCat("cd ", job.servers(0).machine().folder(),
                                " && sha256sum --quiet -c SHA256SUMS && test -z \"$(ls -A | grep ",
                                "partial)\"")));
}

TEST_F(JobsExportTest, CancellingEndsALongImageAndLeavesNothing) {
  Process process = StartJobs();
  Connect(process);
  peers_.conversion.SetMode(FakeConversion::Mode::kHang);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(ExportOf(NewId("s-"), "vmdk")));
  for (int i = 0; i < 300 && peers_.conversion.Tasks().empty(); ++i)
    absl::SleepFor(absl::Milliseconds(50));
  ASSERT_THAT(peers_.conversion.Tasks(), SizeIs(1));
  // As if the conversion had left a disk of noise, which takes its time to deflate.
  const std::string noise = dir_ / "noise.raw";
  ASSERT_TRUE(Runs(absl::StrCat("head -c 256M /dev/urandom > ", noise,
                                " && qemu-img create -q -f qcow2 -F raw -b ", noise, " ",
                                peers_.conversion.Tasks()[0].disks(0).path())));
  peers_.conversion.SetMode(FakeConversion::Mode::kSucceed);
  const auto writing = [&] {
    const auto job = Get(created.name());
    EXPECT_OK(job.status());
    if (!job.ok()) return true;
    for (const JobStep& step : job->servers(0).steps()) {
      if (step.step() == "create_machine" && step.done_bytes() > 0) return true;
    }
    return false;
  };
  for (int i = 0; i < 300 && !writing(); ++i) absl::SleepFor(absl::Milliseconds(50));
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  jobs::v1::CancelJobRequest request;
  request.set_request_id(NewUuid());
  request.set_name(created.name());
  Job answer;
  const absl::Time asked = absl::Now();
  ASSERT_OK(rpc::FromGrpc(Stub("user/operator/alice")->CancelJob(&context, request, &answer)));
  const Job job = AwaitEnd(created.name());
  EXPECT_EQ(job.state(), Job::CANCELLED) << job.DebugString();
  // Two seconds and room for a busy host; the image alone would take longer.
  EXPECT_LT(absl::Now() - asked, absl::Seconds(4));
  EXPECT_THAT(ExportFolders(), IsEmpty());
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
}

TEST_F(JobsExportTest, WithoutAFolderItIsRefusedBeforeAnythingIsDone) {
  more_flags_.clear();
  Process process = StartJobs();
  Connect(process);
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(ExportOf(server, "raw")));
  const Job job = AwaitEnd(created.name());
  EXPECT_EQ(job.state(), Job::FAILED);
  EXPECT_THAT(job.servers(0).error().message(), HasSubstr("--export-dir"));
  EXPECT_EQ(peers_.replication.PointRequests(server), 0);
  EXPECT_THAT(Create(ExportOf(server, "floppy")),
              StatusIs(absl::StatusCode::kInvalidArgument, "export_format"));
}

}  // namespace
}  // namespace godwit::testing
