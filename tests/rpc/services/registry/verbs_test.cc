#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using Stub = pb::SourceServerService::Stub;

class VerbsTest : public RegistryTest {
 protected:
  void SetUp() override {
    installation_->jobs.Refuse(absl::OkStatus());
    operator_ = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
    events_ = pb::RegistryEventService::NewStub(ChannelAs("service/jobs"));
  }

  absl::Status ReportSynced(const std::string& name) {
    pb::ReportInitialSyncDoneRequest request;
    request.set_source_server(name);
    request.set_point(name + "/points/" + NewId("p-"));
    request.set_request_id(NewUuid());
    return Call(*events_, &pb::RegistryEventService::Stub::ReportInitialSyncDone, request).status();
  }
  std::string ReadyServer() {
    const std::string name = EnrolledServer();
    EXPECT_OK(ReportSynced(name));
    return name;
  }
  absl::StatusOr<pb::SourceServer> Verb(const std::string& name,
                                        grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                     const pb::ServerVerbRequest&,
                                                                     pb::SourceServer*),
                                        const std::string& etag = "") {
    pb::ServerVerbRequest request;
    request.set_name(name);
    request.set_etag(etag);
    request.set_request_id(NewUuid());
    return Call(*operator_, method, request);
  }
  static pb::StartLaunchRequest LaunchOf(const std::vector<std::string>& names) {
    pb::StartLaunchRequest request;
    for (const std::string& name : names) request.add_names(name);
    request.set_request_id(NewUuid());
    return request;
  }
  absl::StatusOr<pb::SourceServer> End(const std::string& name,
                                       grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                    const pb::FinalizeRequest&,
                                                                    pb::SourceServer*)) {
    pb::FinalizeRequest request;
    request.set_name(name);
    request.set_request_id(NewUuid());
    return Call(*operator_, method, request);
  }
  absl::Status ReportLaunch(const std::string& name, const std::string& job,
                            jobs_pb::Job::Type type,
                            jobs_pb::ParticipatingServer::LaunchStatus status,
                            const std::vector<jobs_pb::ActionResult>& actions = {}) {
    pb::ReportLaunchRequest request;
    request.set_source_server(name);
    request.set_job(job);
    request.set_type(type);
    request.set_launch_status(status);
    request.set_request_id(NewUuid());
    if (status == jobs_pb::ParticipatingServer::LAUNCHED) {
      request.mutable_machine()->set_machine_id("m-" + job);
      request.mutable_machine()->set_job(job);
      for (const auto& action : actions) *request.mutable_machine()->add_actions() = action;
    }
    return Call(*events_, &pb::RegistryEventService::Stub::ReportLaunch, request).status();
  }
  static rpc::ErrorInfo InfoOf(const absl::Status& status) { return rpc::GetInfo(status); }
  static std::string Metadata(const absl::Status& status, const std::string& key) {
    for (const auto& [name, value] : rpc::GetInfo(status).metadata) {
      if (name == key) return value;
    }
    return "";
  }

  std::unique_ptr<Stub> operator_;
  std::unique_ptr<pb::RegistryEventService::Stub> events_;
};

TEST_F(VerbsTest, AFailedActionThatMustSucceedBlocksTheEndOfACutover) {
  const std::string name = ReadyServer();
  using Status = jobs_pb::ParticipatingServer;
  ASSERT_OK_AND_ASSIGN(const jobs_pb::Job test,
                       Call(*operator_, &Stub::StartTest, LaunchOf({name})));
  ASSERT_OK(ReportLaunch(name, test.name(), jobs_pb::Job::TEST_LAUNCH, Status::LAUNCHED));
  ASSERT_OK(Verb(name, &Stub::MarkReadyForCutover));
  jobs_pb::ActionResult action;
  action.set_action_id("join-domain");
  action.set_state(jobs_pb::ActionResult::FAILED);
  for (const bool blocks : {true, false}) {
    action.set_blocks_cutover(blocks);
    ASSERT_OK_AND_ASSIGN(const jobs_pb::Job cutover,
                         Call(*operator_, &Stub::StartCutover, LaunchOf({name})));
    ASSERT_OK(ReportLaunch(name, cutover.name(), jobs_pb::Job::CUTOVER_LAUNCH, Status::LAUNCHED,
                           {action}));
    installation_->jobs.End(cutover.name(), jobs_pb::Job::SUCCEEDED);
    const auto end = End(name, &Stub::FinalizeCutover);
    if (!blocks) {
      ASSERT_OK(end.status());
      EXPECT_EQ(end->lifecycle_state(), pb::SourceServer::CUTOVER);
      continue;
    }
    EXPECT_THAT(end, StatusIs(absl::StatusCode::kFailedPrecondition, "join-domain"));
    EXPECT_EQ(InfoOf(end.status()).reason, "POST_LAUNCH_ACTION_FAILED");
    ASSERT_OK(Verb(name, &Stub::RevertCutover));
  }
}

TEST_F(VerbsTest, WholeLife) {
  const std::string name = ReadyServer();
  EXPECT_EQ(Get(name).lifecycle_state(), pb::SourceServer::READY_FOR_TEST);
  EXPECT_OK(ReportSynced(name));  // again: nothing happens

  ASSERT_OK_AND_ASSIGN(const jobs_pb::Job test,
                       Call(*operator_, &Stub::StartTest, LaunchOf({name})));
  EXPECT_EQ(test.state(), jobs_pb::Job::RUNNING);  // as the job service answered
  EXPECT_EQ(installation_->jobs.requests().back().servers(0).hostname(), "source.example");
  EXPECT_EQ(installation_->jobs.requests().back().initiated_by(), "user/operator/carol");
  EXPECT_EQ(Get(name).last_test().job(), test.name());
  using Status = jobs_pb::ParticipatingServer;
  EXPECT_OK(ReportLaunch(name, test.name(), jobs_pb::Job::TEST_LAUNCH, Status::LAUNCHED));
  EXPECT_OK(ReportLaunch(name, test.name(), jobs_pb::Job::TEST_LAUNCH, Status::IN_PROGRESS));
  EXPECT_EQ(Get(name).launch_status(), Status::LAUNCHED);  // a late report changes nothing
  EXPECT_EQ(Get(name).launched_machine().machine_id(), "m-" + test.name());

  ASSERT_OK(Verb(name, &Stub::MarkReadyForCutover));
  ASSERT_OK_AND_ASSIGN(const jobs_pb::Job cutover,
                       Call(*operator_, &Stub::StartCutover, LaunchOf({name})));
  EXPECT_EQ(installation_->jobs.requests().back().servers(0).machines_size(), 1);
  const auto early = End(name, &Stub::FinalizeCutover);
  EXPECT_THAT(early, StatusIs(absl::StatusCode::kFailedPrecondition, "has not ended"));
  EXPECT_EQ(InfoOf(early.status()).reason, "LAUNCH_UNDER_WAY");
  EXPECT_OK(ReportLaunch(name, cutover.name(), jobs_pb::Job::CUTOVER_LAUNCH, Status::LAUNCHED));
  // It runs, but its job still moves it off staging.
  EXPECT_EQ(InfoOf(End(name, &Stub::FinalizeCutover).status()).reason, "LAUNCH_UNDER_WAY");
  EXPECT_EQ(InfoOf(End(name, &Stub::DisconnectFromService).status()).reason, "LAUNCH_UNDER_WAY");
  installation_->jobs.End(cutover.name(), jobs_pb::Job::SUCCEEDED);
  const std::size_t ends = installation_->replication.ends().size();
  ASSERT_OK_AND_ASSIGN(const pb::SourceServer done, End(name, &Stub::FinalizeCutover));
  EXPECT_EQ(done.lifecycle_state(), pb::SourceServer::CUTOVER);
  EXPECT_TRUE(done.last_cutover().has_finalize_time());
  ASSERT_EQ(installation_->replication.ends().size(), ends + 1);
  EXPECT_EQ(installation_->replication.ends().back().undo_window().seconds(), 72 * 3600);
  EXPECT_FALSE(installation_->replication.ends().back().keep_agent());

  ASSERT_OK_AND_ASSIGN(const pb::SourceServer archived, Verb(name, &Stub::Archive));
  EXPECT_TRUE(archived.archived());
  pb::ListServerHistoryRequest ask;
  ask.set_name(name);
  ASSERT_OK_AND_ASSIGN(const auto history, Call(*operator_, &Stub::ListServerHistory, ask));
  std::vector<std::string> events;
  for (const auto& entry : history.entries()) events.push_back(entry.event());
  EXPECT_THAT(events,
              ::testing::ElementsAre("Enroll", "ReportInitialSyncDone", "StartTest",
                                     "TEST_LAUNCH LAUNCHED", "MarkReadyForCutover", "StartCutover",
                                     "CUTOVER_LAUNCH LAUNCHED", "FinalizeCutover", "Archive"));
  pb::DeleteSourceServerRequest remove;
  remove.set_name(name);
  EXPECT_OK(Call(*operator_, &Stub::DeleteSourceServer, remove));
}

TEST_F(VerbsTest, RefusalSaysWhatWouldHelp) {
  const std::string name = EnrolledServer();
  const auto early = Call(*operator_, &Stub::StartTest, LaunchOf({name}));
  EXPECT_THAT(early, StatusIs(absl::StatusCode::kFailedPrecondition, "initial sync"));
  EXPECT_EQ(InfoOf(early.status()).reason, "WRONG_LIFECYCLE_STATE");
  EXPECT_EQ(Metadata(early.status(), "state"), "NOT_READY");
  ASSERT_OK(ReportSynced(name));
  const auto skipped = Call(*operator_, &Stub::StartCutover, LaunchOf({name}));
  EXPECT_EQ(Metadata(skipped.status(), "helpful_call"), "MarkReadyForCutover");
  EXPECT_EQ(Metadata(skipped.status(), "call"), "StartCutover");
  const auto viewer = pb::SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
  EXPECT_THAT(Call(*viewer, &Stub::StartTest, LaunchOf({name})),
              StatusIs(absl::StatusCode::kPermissionDenied, ""));
}

TEST_F(VerbsTest, AllServersOrNone) {
  const std::string ready = ReadyServer();
  const std::string not_ready = EnrolledServer();
  EXPECT_THAT(Call(*operator_, &Stub::StartTest, LaunchOf({ready, not_ready})),
              StatusIs(absl::StatusCode::kFailedPrecondition, not_ready));
  EXPECT_EQ(Get(ready).lifecycle_state(), pb::SourceServer::READY_FOR_TEST);
  EXPECT_THAT(Call(*operator_, &Stub::StartTest, LaunchOf({ready, ready})),
              StatusIs(absl::StatusCode::kInvalidArgument, "names[1]"));
}

TEST_F(VerbsTest, RequestIdsAreIdempotentAndEtagsHold) {
  const std::string name = ReadyServer();
  const pb::StartLaunchRequest request = LaunchOf({name});
  ASSERT_OK_AND_ASSIGN(const auto first, Call(*operator_, &Stub::StartTest, request));
  const std::size_t jobs = installation_->jobs.requests().size();
  ASSERT_OK_AND_ASSIGN(const auto again, Call(*operator_, &Stub::StartTest, request));
  EXPECT_EQ(again.name(), first.name());
  EXPECT_EQ(installation_->jobs.requests().size(), jobs);

  const std::string etag = Get(name).etag();
  ASSERT_OK(Verb(name, &Stub::MarkReadyForCutover, etag));
  const auto stale = Verb(name, &Stub::RevertToReadyForTest, etag);
  EXPECT_THAT(stale, StatusIs(absl::StatusCode::kAborted, "etag"));
  EXPECT_EQ(InfoOf(stale.status()).reason, "STALE_ETAG");
  ASSERT_OK(Verb(name, &Stub::RevertToReadyForTest));
}

TEST_F(VerbsTest, RefusedJobLeavesTheServerAsItWas) {
  const std::string name = ReadyServer();
  installation_->jobs.Refuse(rpc::WithInfo(absl::AlreadyExistsError("a job is under way"),
                                           {.reason = "X", .metadata = {{"job", "jobs/job-1"}}}));
  const pb::StartLaunchRequest request = LaunchOf({name});
  const auto refused = Call(*operator_, &Stub::StartTest, request);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, "under way"));
  EXPECT_EQ(InfoOf(refused.status()).reason, "JOB_UNDER_WAY");
  EXPECT_EQ(Metadata(refused.status(), "job"), "jobs/job-1");
  const pb::SourceServer server = Get(name);
  EXPECT_EQ(server.lifecycle_state(), pb::SourceServer::READY_FOR_TEST);
  EXPECT_FALSE(server.has_last_test());
  EXPECT_EQ(server.launch_status(), jobs_pb::ParticipatingServer::LAUNCH_STATUS_UNSPECIFIED);
  installation_->jobs.Refuse(absl::OkStatus());
  EXPECT_OK(Call(*operator_, &Stub::StartTest, request));  // the same request may be made again
}

TEST_F(VerbsTest, UnreachableJobServiceGetsItLater) {
  const std::string name = ReadyServer();
  installation_->jobs.Refuse(absl::UnavailableError("going down"));
  ASSERT_OK_AND_ASSIGN(const auto job, Call(*operator_, &Stub::StartTest, LaunchOf({name})));
  EXPECT_EQ(job.state(), jobs_pb::Job::PENDING);
  EXPECT_EQ(Get(name).lifecycle_state(), pb::SourceServer::TESTING);
  const auto second = Call(*operator_, &Stub::StartTest, LaunchOf({name}));
  EXPECT_EQ(InfoOf(second.status()).reason, "JOB_UNDER_WAY");
  ASSERT_OK(StartRegistry());  // a restart loses nothing
  installation_->jobs.Refuse(absl::OkStatus());
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  const auto arrived = [&] {
    for (const auto& request : installation_->jobs.requests()) {
      if ("jobs/" + request.job_id() == job.name()) return true;
    }
    return false;
  };
  while (!arrived() && absl::Now() < give_up) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_TRUE(arrived());
}

TEST_F(VerbsTest, StopAndStartReplication) {
  const std::string name = ReadyServer();
  ASSERT_OK_AND_ASSIGN(const auto stopped, Verb(name, &Stub::StopReplication));
  EXPECT_EQ(stopped.lifecycle_state(), pb::SourceServer::STOPPED);
  EXPECT_TRUE(installation_->replication.ends().back().stop_only());
  EXPECT_OK(ReportSynced(name));  // late; changes nothing
  EXPECT_EQ(Get(name).lifecycle_state(), pb::SourceServer::STOPPED);
  ASSERT_OK_AND_ASSIGN(const auto started, Verb(name, &Stub::StartReplication));
  EXPECT_EQ(started.lifecycle_state(), pb::SourceServer::NOT_READY);
  EXPECT_EQ(installation_->replication.starts().back().source_server(), name);
  ASSERT_OK_AND_ASSIGN(const auto gone, End(name, &Stub::DisconnectFromService));
  EXPECT_EQ(gone.lifecycle_state(), pb::SourceServer::DISCONNECTED);
  EXPECT_THAT(End(name, &Stub::DisconnectFromService),
              StatusIs(absl::StatusCode::kFailedPrecondition, "DISCONNECTED"));
}

TEST_F(VerbsTest, ListsPageByPage) {
  for (int i = 0; i < 3; ++i) EnrolledServer();
  pb::ListSourceServersRequest request;
  request.set_page_size(2);
  std::set<std::string> seen;
  int pages = 0;
  do {
    ASSERT_OK_AND_ASSIGN(const auto page, Call(*operator_, &Stub::ListSourceServers, request));
    EXPECT_LE(page.source_servers_size(), 2);
    for (const auto& server : page.source_servers()) {
      EXPECT_TRUE(seen.insert(server.name()).second) << server.name();
    }
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_GE(pages, 2);
  request.set_page_token("rubbish!");
  EXPECT_THAT(Call(*operator_, &Stub::ListSourceServers, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_THAT(Call(*operator_, &Stub::ListSourceServers, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_size"));
}

}  // namespace
}  // namespace godwit::registry
