// What scripts written for MGN do, in the lenient profile.
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using Stub = pb::SourceServerService::Stub;

class LenientTest : public RegistryTest {
 protected:
  static void SetUpTestSuite() { ASSERT_OK(SetUpInstallation(Profile::kLenient)); }
};

TEST_F(LenientTest, CutoverStraightFromTestThenDisconnectThenFinalize) {
  const std::string name = EnrolledServer();
  const auto events = pb::RegistryEventService::NewStub(ChannelAs("service/replication"));
  pb::ReportInitialSyncDoneRequest synced;
  synced.set_source_server(name);
  synced.set_point(name + "/points/" + NewId("p-"));
  synced.set_request_id(NewUuid());
  ASSERT_OK(Call(*events, &pb::RegistryEventService::Stub::ReportInitialSyncDone, synced));

  const auto stub = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  pb::StartLaunchRequest launch;
  launch.add_names(name);
  launch.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const auto test, Call(*stub, &Stub::StartTest, launch));
  pb::ReportLaunchRequest report;
  report.set_source_server(name);
  report.set_job(test.name());
  report.set_type(jobs_pb::Job::TEST_LAUNCH);
  report.set_launch_status(jobs_pb::ParticipatingServer::LAUNCHED);
  report.mutable_machine()->set_machine_id("m-1");
  report.set_request_id(NewUuid());
  ASSERT_OK(Call(*events, &pb::RegistryEventService::Stub::ReportLaunch, report));

  launch.set_request_id(NewUuid());  // straight after StartTest
  ASSERT_OK_AND_ASSIGN(const auto terminate, Call(*stub, &Stub::TerminateTargetInstances, launch));
  EXPECT_EQ(installation_->jobs.requests().back().type(), jobs_pb::Job::TERMINATE);
  EXPECT_EQ(installation_->jobs.requests().back().servers(0).machines(0).machine_id(), "m-1");
  report.set_job(terminate.name());
  report.set_type(jobs_pb::Job::TERMINATE);
  report.set_launch_status(jobs_pb::ParticipatingServer::TERMINATED);
  report.clear_machine();
  report.set_request_id(NewUuid());
  ASSERT_OK(Call(*events, &pb::RegistryEventService::Stub::ReportLaunch, report));
  EXPECT_FALSE(Get(name).has_launched_machine());
  EXPECT_EQ(Get(name).launch_status(), jobs_pb::ParticipatingServer::TERMINATED);

  launch.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const auto cutover, Call(*stub, &Stub::StartCutover, launch));
  EXPECT_TRUE(Get(name).last_test().has_finalize_time());
  installation_->jobs.End(cutover.name(), jobs_pb::Job::SUCCEEDED);
  pb::FinalizeRequest end;
  end.set_name(name);
  end.set_keep_agent(true);
  end.set_request_id(NewUuid());
  ASSERT_OK(Call(*stub, &Stub::DisconnectFromService, end));
  EXPECT_TRUE(installation_->replication.ends().back().keep_agent());
  end.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const auto done, Call(*stub, &Stub::FinalizeCutover, end));
  EXPECT_EQ(done.lifecycle_state(), pb::SourceServer::CUTOVER);
}

TEST_F(LenientTest, TheMachineThatTookOverIsNeverALeftover) {
  const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
  const pb::Token token = NewToken(2);
  ASSERT_OK_AND_ASSIGN(const auto enrolled, Enroll(EnrollRequestFor(token.secret(), key)));
  const std::string name = enrolled.source_server();
  const auto events = pb::RegistryEventService::NewStub(ChannelAs("service/jobs"));
  const auto stub = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  pb::ReportInitialSyncDoneRequest synced;
  synced.set_source_server(name);
  synced.set_point(name + "/points/" + NewId("p-"));
  const auto report_synced = [&] {
    synced.set_request_id(NewUuid());
    return Call(*events, &pb::RegistryEventService::Stub::ReportInitialSyncDone, synced);
  };
  ASSERT_OK(report_synced());
  pb::StartLaunchRequest launch;
  launch.add_names(name);
  launch.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const auto cutover, Call(*stub, &Stub::StartCutover, launch));
  pb::ReportLaunchRequest report;
  report.set_source_server(name);
  report.set_job(cutover.name());
  report.set_type(jobs_pb::Job::CUTOVER_LAUNCH);
  report.set_launch_status(jobs_pb::ParticipatingServer::LAUNCHED);
  report.mutable_machine()->set_machine_id("m-production");
  report.mutable_machine()->set_purpose(jobs_pb::Job::CUTOVER_LAUNCH);
  report.set_request_id(NewUuid());
  ASSERT_OK(Call(*events, &pb::RegistryEventService::Stub::ReportLaunch, report));
  installation_->jobs.End(cutover.name(), jobs_pb::Job::SUCCEEDED);
  pb::FinalizeRequest end;
  end.set_name(name);
  end.set_request_id(NewUuid());
  ASSERT_OK(Call(*stub, &Stub::FinalizeCutover, end));
  EXPECT_EQ(Get(name).launched_machine().machine_id(), "m-production");

  // The agent is installed on the source again; a test must not touch what took over.
  ASSERT_OK_AND_ASSIGN(const auto again, Enroll(EnrollRequestFor(token.secret(), key)));
  EXPECT_EQ(again.source_server(), name);
  EXPECT_EQ(Get(name).lifecycle_state(), pb::SourceServer::NOT_READY);
  EXPECT_FALSE(Get(name).has_last_cutover());
  ASSERT_OK(report_synced());
  launch.set_request_id(NewUuid());
  ASSERT_OK(Call(*stub, &Stub::StartTest, launch));
  EXPECT_EQ(installation_->jobs.requests().back().servers(0).machines_size(), 0);
}

}  // namespace
}  // namespace godwit::registry
