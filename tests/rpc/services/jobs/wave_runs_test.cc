// Whole waves through godwit-jobs and the registry: order, gates, approvals, failures, cancelling,
// and a service that is killed in the middle.
#include <signal.h>

#include "tests/rpc/services/jobs/wave_fixture.h"

namespace godwit::testing {
namespace {

using jobs::v1::Job;
using jobs::v1::PlanFinding;
using registry::pb::SourceServer;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using WaveRunsTest = WaveFixture;

TEST_F(WaveRunsTest, FromTestToFinalizeInOrderWithApprovalsAndAGate) {
  StartJobs();
  const std::string data = ReadyServer(), web = ReadyServer();
  const std::string wave = MakeWave({{"App", {web}}, {"Data", {data}}});

  auto test = StartOf(wave, WaveRun::TEST);
  auto& after = *test.mutable_options()->add_groups();
  after.set_application(applications_["App"]);
  after.add_after(applications_["Data"]);
  after.set_needs_approval(true);
  // Nothing in the tiny machine listens: the gate of the second group fails.
  after.add_checks()->set_tcp_port(22);
  after.mutable_check_timeout()->set_seconds(1);
  jobs::v1::PlanWaveRunRequest plan_request;
  plan_request.set_wave(wave);
  plan_request.set_kind(WaveRun::TEST);
  *plan_request.mutable_options() = test.options();
  ASSERT_OK_AND_ASSIGN(const auto plan, Wave(&Waves::PlanWaveRun, plan_request, "user/viewer/bob"));
  ASSERT_THAT(plan.groups(), SizeIs(2));
  EXPECT_EQ(plan.groups(0).display_name(), "Data");
  EXPECT_EQ(plan.groups(1).placement(), "after Data");
  EXPECT_EQ(plan.blocked_server_count(), 0) << plan.DebugString();
  EXPECT_THAT(JobsOf(data), IsEmpty()) << "a plan changes nothing";

  ASSERT_OK_AND_ASSIGN(const WaveRun started, Start(test));
  EXPECT_EQ(started.initiated_by(), "user/operator/carol");
  EXPECT_EQ(started.options().max_parallel_servers(), 10);
  WaveRun run = AwaitState(started.name(), WaveRun::WAITING_FOR_APPROVAL);
  EXPECT_EQ(RegistryTest::Get(data).launch_status(), jobs::v1::ParticipatingServer::LAUNCHED);
  EXPECT_EQ(RegistryTest::Get(web).lifecycle_state(), SourceServer::READY_FOR_TEST);
  jobs::v1::ApproveWaveRunRequest approve;
  approve.set_name(run.name());
  approve.set_request_id(NewUuid());
  approve.set_application(applications_["Data"]);
  EXPECT_THAT(Wave(&Waves::ApproveWaveRun, approve),
              StatusIs(absl::StatusCode::kFailedPrecondition, applications_["App"]));
  approve.set_application(applications_["App"]);
  ASSERT_OK(Wave(&Waves::ApproveWaveRun, approve));
  // The same request again changes nothing.
  ASSERT_OK(Wave(&Waves::ApproveWaveRun, approve));

  run = AwaitState(started.name(), WaveRun::STOPPED);
  EXPECT_THAT(run.state_reason(), HasSubstr("TCP port 22"));
  EXPECT_EQ(run.groups(1).servers(0).state(), WaveRunServer::SUCCEEDED);
  ASSERT_OK(Resume(run.name(), /*retry_failed=*/false));
  run = AwaitState(started.name(), WaveRun::SUCCEEDED);
  EXPECT_THAT(JobsOf(data), SizeIs(1));
  EXPECT_THAT(JobsOf(web), SizeIs(1));
  EXPECT_THAT(MachineProcesses(), SizeIs(2));

  for (const auto& [kind, state] : {std::pair{WaveRun::MARK_READY, SourceServer::READY_FOR_CUTOVER},
                                    {WaveRun::CUTOVER, SourceServer::CUTTING_OVER},
                                    {WaveRun::FINALIZE, SourceServer::CUTOVER}}) {
    ASSERT_OK_AND_ASSIGN(const WaveRun next, Start(StartOf(wave, kind)));
    AwaitState(next.name(), WaveRun::SUCCEEDED);
    EXPECT_EQ(RegistryTest::Get(data).lifecycle_state(), state);
    EXPECT_EQ(RegistryTest::Get(web).lifecycle_state(), state);
  }
  // Everything is done: the next run has nothing to do, and says so.
  ASSERT_OK_AND_ASSIGN(const WaveRun again, Start(StartOf(wave, WaveRun::FINALIZE)));
  run = AwaitState(again.name(), WaveRun::SUCCEEDED);
  EXPECT_EQ(run.groups(0).servers(0).reason(), "was done before");
}

TEST_F(WaveRunsTest, KilledInTheMiddleItEndsAsIfNothingHadHappened) {
  StartJobs();
  const std::vector<std::string> servers = {ReadyServer(), ReadyServer()};
  const std::string wave = MakeWave({{"First", {servers[0]}}, {"Second", {servers[1]}}});
  // Dies after the registry took the first call and before anything of it was saved; then after the
  // first result was saved; then with a fresh claim in hand.
  StartJobs("jobs.wave.called:1:crash");
  const auto request = StartOf(wave, WaveRun::TEST);
  const std::string name = absl::StrCat("waveRuns/", DerivedId("wr-", request.request_id()));
  const auto started =
      Wave(&Waves::StartWaveRun, request, "user/operator/carol", absl::ZeroDuration());
  EXPECT_TRUE(started.ok() || absl::IsUnavailable(started.status())) << started.status();
  for (const char* const next : {"jobs.wave.saved:1:crash", "jobs.wave.claimed:1:crash", ""}) {
    ASSERT_OK_AND_ASSIGN(const int status, process_->Wait(absl::Seconds(60)));
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << process_->Log();
    process_.reset();
    StartJobs(next, /*wait=*/*next == 0);
    // Whether the first answer arrived or not: the same request is the same run.
    if (*next == 0) {
      ASSERT_OK_AND_ASSIGN(const WaveRun same, Start(request));
      EXPECT_EQ(same.name(), name);
    }
  }
  const WaveRun run = AwaitState(name, WaveRun::SUCCEEDED);
  for (const std::string& server : servers) {
    EXPECT_THAT(JobsOf(server), SizeIs(1)) << "launched once";
    EXPECT_EQ(peers_->replication.PointRequests(server.substr(14)), 1);
  }
  EXPECT_THAT(MachineProcesses(), SizeIs(2));
  EXPECT_THAT(Events(name), Contains("RUNNER_TAKEOVER"));
  EXPECT_THAT(Events(name), Contains("SERVER_STARTED").Times(2));
  EXPECT_THAT(Events(name), Contains("RUN_ENDED").Times(1));
}

TEST_F(WaveRunsTest, AFailedServerStopsTheRunAndIsTriedAgainAndItsMachineRemoved) {
  StartJobs();
  peers_->conversion.SetMode(FakeConversion::Mode::kFail);
  const std::string server = ReadyServer(), later = ReadyServer();
  const std::string wave = MakeWave({{"A", {server}}, {"B", {later}}});
  auto request = StartOf(wave, WaveRun::TEST);
  request.mutable_options()->set_remove_test_machines(true);
  request.mutable_options()->set_max_machines(1);
  ASSERT_OK_AND_ASSIGN(const WaveRun started, Start(request));
  WaveRun run = AwaitState(started.name(), WaveRun::STOPPED);
  EXPECT_EQ(run.groups(0).servers(0).state(), WaveRunServer::FAILED);
  EXPECT_THAT(run.groups(0).servers(0).reason(), HasSubstr("no kernel was found"));
  EXPECT_EQ(run.groups(1).servers(0).state(), WaveRunServer::WAITING);
  EXPECT_THAT(JobsOf(later), IsEmpty());
  jobs::v1::ResumeWaveRunRequest stale;
  stale.set_name(run.name());
  stale.set_request_id(NewUuid());
  stale.set_etag("1");
  EXPECT_THAT(Wave(&Waves::ResumeWaveRun, stale), StatusIs(absl::StatusCode::kAborted, "etag"));

  peers_->conversion.SetMode(FakeConversion::Mode::kSucceed);
  ASSERT_OK(Resume(run.name(), /*retry_failed=*/true));
  run = AwaitState(started.name(), WaveRun::SUCCEEDED);
  EXPECT_EQ(run.groups(0).servers(0).attempt_count(), 2);
  EXPECT_THAT(Events(run.name()), Contains("MACHINE_REMOVED").Times(2));
  EXPECT_THAT(MachineProcesses(), IsEmpty());
  EXPECT_FALSE(RegistryTest::Get(server).has_launched_machine());
}

TEST_F(WaveRunsTest, CancellingCancelsJobsUnderWay) {
  StartJobs();
  peers_->conversion.SetMode(FakeConversion::Mode::kHang);
  const std::string server = ReadyServer(), later = ReadyServer();
  const std::string wave = MakeWave({{"A", {server}}, {"B", {later}}});
  ASSERT_OK_AND_ASSIGN(const WaveRun started, Start(StartOf(wave, WaveRun::TEST)));
  Await(started.name(), [](const WaveRun& run) {
    return run.groups_size() == 2 && run.groups(0).servers(0).reason() == "convert";
  });
  // One run of a wave at a time.
  EXPECT_THAT(Start(StartOf(wave, WaveRun::TEST)),
              StatusIs(absl::StatusCode::kFailedPrecondition, started.name()));
  jobs::v1::CancelWaveRunRequest cancel;
  cancel.set_name(started.name());
  cancel.set_request_id(NewUuid());
  ASSERT_OK(Wave(&Waves::CancelWaveRun, cancel));
  const WaveRun run = AwaitState(started.name(), WaveRun::CANCELLED);
  EXPECT_EQ(run.groups(0).servers(0).state(), WaveRunServer::CANCELLED);
  EXPECT_EQ(run.groups(1).servers(0).state(), WaveRunServer::CANCELLED);
  ASSERT_THAT(JobsOf(server), SizeIs(1));
  EXPECT_EQ(JobsOf(server)[0].state(), Job::CANCELLED);
  EXPECT_THAT(JobsOf(later), IsEmpty());
  EXPECT_THAT(MachineProcesses(), IsEmpty());
}

TEST_F(WaveRunsTest, RefusesWhatCannotBe) {
  StartJobs();
  const std::string unready = EnrolledServer();
  const std::string wave = MakeWave({{"A", {unready}}, {"B", {}}});
  const auto refused = Start(StartOf(wave, WaveRun::TEST));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, "initial sync"));
  EXPECT_EQ(rpc::GetInfo(refused.status()).reason, "WAVE_BLOCKED");
  EXPECT_THAT(Wave(&Waves::StartWaveRun, StartOf(wave, WaveRun::TEST), "user/viewer/bob"),
              StatusIs(absl::StatusCode::kPermissionDenied, "operator"));
  EXPECT_THAT(Start(StartOf("waves/wave-0000000000000000f", WaveRun::TEST)),
              StatusIs(absl::StatusCode::kNotFound, ""));

  // Without the blocked server there is nothing to do, and the run ends at once.
  auto skipping = StartOf(wave, WaveRun::TEST);
  skipping.mutable_options()->set_skip_blocked(true);
  ASSERT_OK_AND_ASSIGN(const WaveRun run, Start(skipping));
  EXPECT_EQ(AwaitState(run.name(), WaveRun::SUCCEEDED).groups(0).servers(0).state(),
            WaveRunServer::SKIPPED);
  EXPECT_EQ(Start(skipping)->name(), run.name()) << "the same request is the same run";
  skipping.set_kind(WaveRun::CUTOVER);
  EXPECT_THAT(Start(skipping), StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));

  const auto with = [&](const std::function<void(jobs::v1::StartWaveRunRequest&)>& change) {
    auto request = StartOf(wave, WaveRun::TEST);
    change(request);
    return Start(request).status();
  };
  const auto group = [this](jobs::v1::StartWaveRunRequest& request, const std::string& name) {
    auto* const added = request.mutable_options()->add_groups();
    added->set_application(applications_[name]);
    return added;
  };
  using Request = jobs::v1::StartWaveRunRequest;
  const std::vector<std::pair<std::string, std::function<void(Request&)>>> cases = {
      {"request_id", [](Request& r) { r.set_request_id("x"); }},
      {"wave", [](Request& r) { r.set_wave("wave-1"); }},
      {"kind", [](Request& r) { r.set_kind(WaveRun::KIND_UNSPECIFIED); }},
      {"options.max_parallel_servers",
       [](Request& r) { r.mutable_options()->set_max_parallel_servers(201); }},
      {"options.stop_after_failed_count",
       [](Request& r) { r.mutable_options()->set_stop_after_failed_count(-1); }},
      {"options.max_machines", [](Request& r) { r.mutable_options()->set_max_machines(1); }},
      {"options.keep_agent", [](Request& r) { r.mutable_options()->set_keep_agent(true); }},
      {"options.groups[0].application",
       [](Request& r) { r.mutable_options()->add_groups()->set_application("applications/x"); }},
      {"options.groups[1].application",
       [&](Request& r) {
         group(r, "A");
         group(r, "A");
       }},
      {"options.groups[0].order", [&](Request& r) { group(r, "A")->set_order(-1); }},
      {"options.groups: applications wait for each other: ",
       [&](Request& r) {
         group(r, "A")->add_after(applications_["B"]);
         group(r, "B")->add_after(applications_["A"]);
       }},
      {"options.groups[0].checks[0]", [&](Request& r) { group(r, "A")->add_checks(); }},
      {"options.groups[0].checks[0].tcp_port",
       [&](Request& r) { group(r, "A")->add_checks()->set_tcp_port(0); }},
      {"options.groups[0].checks[0].http.path",
       [&](Request& r) {
         auto* const http = group(r, "A")->add_checks()->mutable_http();
         http->set_guest_port(80);
         http->set_path("/a b");
       }},
      {"options.groups[0].check_timeout",
       [&](Request& r) { group(r, "A")->mutable_check_timeout()->set_seconds(-5); }}};
  for (const auto& [field, change] : cases) {
    const absl::Status status = with(change);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, field)) << field;
  }
  // What the newest run of the wave is, and only its waves.
  jobs::v1::ListWaveRunsRequest list;
  list.set_wave(wave);
  ASSERT_OK_AND_ASSIGN(const auto runs, Wave(&Waves::ListWaveRuns, list, "user/viewer/bob"));
  ASSERT_THAT(runs.wave_runs(), SizeIs(1));
  EXPECT_EQ(runs.wave_runs(0).name(), run.name());
}

}  // namespace
}  // namespace godwit::testing
