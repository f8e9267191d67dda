// godwit-jobs killed at every boundary of every step, and paused past its lease: the job goes on
// where it was, and nothing is made twice.
#include <signal.h>

#include "tests/rpc/services/jobs/jobs_fixture.h"

namespace godwit::testing {
namespace {

using jobs::v1::Job;
using jobs::v1::ParticipatingServer;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JobsCrashTest : public JobsFixture, public ::testing::WithParamInterface<std::string> {
 protected:
  // The process may die before it can answer: then the job is asked for again, under the same
  // request id.
  std::string CreateWhileItDies(const jobs::v1::CreateJobRequest& request) {
    const absl::StatusOr<Job> created = Create(request);
    EXPECT_TRUE(created.ok() || absl::IsUnavailable(created.status()))
        << created.status().ToString();
    return created.ok() ? created->name() : "";
  }
  std::string CreateAgain(const jobs::v1::CreateJobRequest& request, const std::string& name) {
    const absl::StatusOr<Job> again = Create(request);
    EXPECT_OK(again.status());
    if (!again.ok()) return name;
    EXPECT_TRUE(name.empty() || name == again->name());
    return again->name();
  }
  void ExpectOneOfEach(const Job& job, const std::string& server) {
    ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString();
    EXPECT_EQ(job.servers(0).launch_status(), ParticipatingServer::LAUNCHED);
    EXPECT_THAT(AllMachineProcesses(), SizeIs(1));
    EXPECT_THAT(MachineFolders(), SizeIs(1));
    EXPECT_EQ(peers_.replication.PointRequests(server), 1);
    EXPECT_THAT(peers_.replication.Clones(), SizeIs(1));
    EXPECT_THAT(peers_.conversion.Tasks(), SizeIs(1));
    EXPECT_THAT(peers_.registry.Reports(server), SizeIs(2));
  }
};

TEST_P(JobsCrashTest, GoesOnWithoutDoublingAnything) {
  Process process = StartJobs({{"GODWIT_FAILPOINT", absl::StrCat(GetParam(), ":1:crash")}});
  Connect(process);
  const std::string server = NewId("s-");
  const auto request = LaunchOf(server);
  std::string name = CreateWhileItDies(request);
  ASSERT_OK_AND_ASSIGN(const int status, process.Wait(absl::Seconds(60)));
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the failpoint was not reached: " << process.Log();
  process = StartJobs();
  Connect(process);
  name = CreateAgain(request, name);
  const Job job = AwaitEnd(name);
  ExpectOneOfEach(job, server);
}

INSTANTIATE_TEST_SUITE_P(
    Launch, JobsCrashTest,
    ::testing::Values("jobs.claimed", "jobs.look_up_server.before", "jobs.look_up_server.after",
                      "jobs.remove_machines.after", "jobs.take_point.before",
                      "jobs.take_point.after", "jobs.create_clone.before",
                      "jobs.create_clone.after", "jobs.convert.before", "jobs.convert.after",
                      "jobs.create_machine.before", "jobs.create_machine.after",
                      "jobs.start_machine.before", "jobs.qemu.spawned", "jobs.start_machine.after",
                      "jobs.prove_boot.before", "jobs.prove_boot.after",
                      "jobs.report_launched.before", "jobs.report_launched.after",
                      "jobs.end.before", "jobs.end.after"),
    [](const auto& info) {
      std::string name = info.param;
      for (char& c : name) c = c == '.' ? '_' : c;
      return name;
    });

class JobsUndoCrashTest : public JobsCrashTest {};

TEST_P(JobsUndoCrashTest, RemovesAllThatWasMade) {
  peers_.replication.SetGuest("going down", TinyOsEnd::kPowerOff);
  Process process = StartJobs({{"GODWIT_FAILPOINT", absl::StrCat(GetParam(), ":1:crash")}});
  Connect(process);
  const std::string server = NewId("s-");
  const auto request = LaunchOf(server);
  std::string name = CreateWhileItDies(request);
  ASSERT_OK_AND_ASSIGN(const int status, process.Wait(absl::Seconds(60)));
  ASSERT_TRUE(WIFSIGNALED(status)) << process.Log();
  process = StartJobs();
  Connect(process);
  name = CreateAgain(request, name);
  const Job job = AwaitEnd(name);
  EXPECT_EQ(job.state(), Job::FAILED);
  EXPECT_THAT(job.warnings(), IsEmpty());
  EXPECT_THAT(AllMachineProcesses(), IsEmpty());
  EXPECT_THAT(MachineFolders(), IsEmpty());
  EXPECT_THAT(peers_.replication.Clones(), IsEmpty());
  ASSERT_THAT(peers_.registry.Reports(server), ::testing::Not(IsEmpty()));
  EXPECT_EQ(peers_.registry.Reports(server).back().launch_status(), ParticipatingServer::FAILED);
}

INSTANTIATE_TEST_SUITE_P(Undo, JobsUndoCrashTest,
                         ::testing::Values("jobs.start_machine.undo.before",
                                           "jobs.create_machine.undo.after",
                                           "jobs.convert.undo.after",
                                           "jobs.create_clone.undo.after",
                                           "jobs.report_failure.before"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST_F(JobsCrashTest, APausedProcessThatWakesUpDoesNoHarm) {
  // Stops itself right before QEMU would be started; another process takes the job over.
  Process paused = StartJobs({{"GODWIT_FAILPOINT", "jobs.start_machine.before:1:stop"}});
  Connect(paused);
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(LaunchOf(server)));
  for (int i = 0; i < 300 && MachineFolders().empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  Process other = StartJobs();
  Connect(other);
  const Job job = AwaitEnd(created.name());
  ExpectOneOfEach(job, server);
  EXPECT_THAT(Events(job.name()), Contains("RUNNER_TAKEOVER"));
  paused.Signal(SIGCONT);
  absl::SleepFor(absl::Seconds(2));
  ASSERT_OK_AND_ASSIGN(const Job after, Get(created.name()));
  EXPECT_EQ(after.etag(), job.etag()) << "the one that woke up wrote something";
  ExpectOneOfEach(after, server);
}

TEST_F(JobsCrashTest, ADatabaseRestartDelaysTheJobOnly) {
  Process process = StartJobs();
  Connect(process);
  peers_.conversion.SetMode(FakeConversion::Mode::kHang);
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job created, Create(LaunchOf(server)));
  for (int i = 0; i < 200 && peers_.conversion.Tasks().empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  ASSERT_OK(database_->Stop());
  absl::SleepFor(absl::Seconds(3));
  ASSERT_OK(database_->Restart());
  peers_.conversion.SetMode(FakeConversion::Mode::kSucceed);
  for (int i = 0; i < 100 && !Get(created.name()).ok(); ++i) {
    absl::SleepFor(absl::Milliseconds(100));
  }
  const Job job = AwaitEnd(created.name());
  ExpectOneOfEach(job, server);
}

}  // namespace
}  // namespace godwit::testing
