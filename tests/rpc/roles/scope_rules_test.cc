// What scopes promise besides the matrix: nobody leaves his, changes take effect and leave a trace,
// and who is not known is refused.
#include <csignal>
#include <iostream>
#include <set>

#include "absl/time/clock.h"
#include "tests/rpc/roles/scope_fixture.h"

namespace godwit::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a change may take in the services that ask the registry, and some more on a busy machine.
constexpr absl::Duration kTakesEffect = absl::Seconds(20);

class ScopeRulesTest : public ScopeTest {};

TEST_F(ScopeRulesTest, AJobWithServersOfBothSidesIsNobodysWhoIsLimited) {
  // As an earlier launch of both: a copy of what each did alone.
  const std::string job = "jobs/" + NewId("job-");
  ASSERT_OK_AND_ASSIGN(const auto connection, pg::Connection::Open(cluster_->conninfo()));
  constexpr pg::Statement kJob = {
      "test_job",
      "insert into jobs.job (job_id, request_id, request_hash, type, state, initiated_by, end_time)"
      " select $1, gen_random_uuid(), '', type, 5, initiated_by, now() from jobs.job"
      " where job_id = $2"};
  constexpr pg::Statement kRun = {
      "test_run_of_job",
      "insert into jobs.run (job_id, index, type, server, input, state, plan_version)"
      " select $1, $3::int, type, server, input, 7, plan_version from jobs.run where job_id = $2"};
  ASSERT_OK(connection->Exec(kJob, {Id(job), Id(in_.job)}));
  ASSERT_OK(connection->Exec(kRun, {Id(job), Id(in_.job), "0"}));
  ASSERT_OK(connection->Exec(kRun, {Id(job), Id(out_.job), "1"}));
  jobs::GetJobRequest get;
  get.set_name(job);
  EXPECT_THAT(Call(JobsOf("user/operator/lim"), &jobs::JobService::Stub::GetJob, get),
              StatusIs(absl::StatusCode::kNotFound, "there is no jobs/"));
  EXPECT_OK(Call(JobsOf("user/operator/free"), &jobs::JobService::Stub::GetJob, get));
  ASSERT_OK_AND_ASSIGN(const auto list,
                       Call(JobsOf("user/operator/lim"), &jobs::JobService::Stub::ListJobs,
                            jobs::ListJobsRequest()));
  EXPECT_GT(list.jobs_size(), 0);
  EXPECT_FALSE(absl::StrContains(list.DebugString(), Id(job)));
  // Nor to be launched again.
  registry::StartLaunchRequest again;
  again.set_request_id(NewUuid());
  again.set_failed_of(job);
  EXPECT_THAT(Call(ServersOf("user/operator/lim"), &Servers::StartTest, again),
              StatusIs(absl::StatusCode::kNotFound, "there is no jobs/"));
  jobs::CancelJobRequest cancel;
  cancel.set_name(job);
  cancel.set_request_id(NewUuid());
  EXPECT_THAT(Call(JobsOf("user/operator/lim"), &jobs::JobService::Stub::CancelJob, cancel),
              StatusIs(absl::StatusCode::kNotFound, ""));
}

TEST_F(ScopeRulesTest, TagsDecideAndCannotBeChangedFromWithin) {
  const std::string who = "user/operator/tags";
  ASSERT_OK_AND_ASSIGN(const std::string shop, NewServer("shop-1", {{"team", "shop"}}));
  ASSERT_OK_AND_ASSIGN(const std::string bank, NewServer("bank-1", {{"team", "bank"}}));
  registry::Scope scope;
  scope.set_principal(who);
  scope.add_tags()->set_key("team");
  scope.mutable_tags(0)->set_value("shop");
  ASSERT_OK(SetScope(scope));

  registry::ListSourceServersRequest list;
  list.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(auto page, Call(ServersOf(who), &Servers::ListSourceServers, list));
  ASSERT_EQ(page.source_servers_size(), 1);
  EXPECT_EQ(page.source_servers(0).name(), shop);
  EXPECT_EQ(page.next_page_token(), "");

  registry::UpdateSourceServerRequest update;
  update.mutable_source_server()->set_name(shop);
  (*update.mutable_source_server()->mutable_tags())["team"] = "shop";
  (*update.mutable_source_server()->mutable_tags())["note"] = "mine";
  update.mutable_update_mask()->add_paths("tags");
  EXPECT_OK(Call(ServersOf(who), &Servers::UpdateSourceServer, update));
  for (const char* team : {"bank", ""}) {
    if (*team == '\0') {
      update.mutable_source_server()->mutable_tags()->erase("team");
    } else {
      (*update.mutable_source_server()->mutable_tags())["team"] = team;
    }
    const auto refused = Call(ServersOf(who), &Servers::UpdateSourceServer, update).status();
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, "ask an admin"));
    EXPECT_EQ(Reason(refused), "TAG_DECIDES_SCOPE");
  }
  // Not even by who reaches the server otherwise; but by who is not limited.
  registry::UpdateSourceServerRequest of_lim;
  of_lim.mutable_source_server()->set_name(in_.server);
  (*of_lim.mutable_source_server()->mutable_tags())["team"] = "shop";
  of_lim.mutable_update_mask()->add_paths("tags");
  EXPECT_THAT(Call(ServersOf("user/operator/lim"), &Servers::UpdateSourceServer, of_lim),
              StatusIs(absl::StatusCode::kFailedPrecondition, "team"));
  registry::UpdateSourceServerRequest of_id;
  of_id.mutable_source_server()->set_name(shop);
  of_id.mutable_source_server()->set_user_provided_id("bank-1");
  of_id.mutable_update_mask()->add_paths("user_provided_id");
  EXPECT_THAT(Call(ServersOf(who), &Servers::UpdateSourceServer, of_id),
              StatusIs(absl::StatusCode::kFailedPrecondition, "user_provided_id"));
  update.mutable_source_server()->set_name(bank);
  (*update.mutable_source_server()->mutable_tags())["team"] = "shop";
  EXPECT_OK(Call(ServersOf("user/operator/free"), &Servers::UpdateSourceServer, update));
  ASSERT_OK_AND_ASSIGN(page, Call(ServersOf(who), &Servers::ListSourceServers, list));
  EXPECT_NE(page.next_page_token(), "");

  // Any value: both.
  scope.mutable_tags(0)->clear_value();
  ASSERT_OK(SetScope(scope));
  list.set_page_size(500);
  ASSERT_OK_AND_ASSIGN(page, Call(ServersOf(who), &Servers::ListSourceServers, list));
  EXPECT_EQ(page.source_servers_size(), 2);
}

TEST_F(ScopeRulesTest, GroupsCannotBeWidenedFromWithin) {
  const std::string who = "user/operator/lim";
  registry::AssociateRequest associate;
  associate.set_request_id(NewUuid());
  associate.set_name(in_.application);
  associate.add_members(out_.server);
  EXPECT_THAT(Call(FleetOf(who), &Fleet::AssociateSourceServers, associate),
              StatusIs(absl::StatusCode::kNotFound, Id(out_.server)));
  associate.set_name(out_.application);
  associate.set_members(0, in_.server);
  EXPECT_THAT(Call(FleetOf(who), &Fleet::AssociateSourceServers, associate),
              StatusIs(absl::StatusCode::kNotFound, Id(out_.application)));
  // What is in the wave's applications already is nothing new.
  associate.set_name(in_.application);
  EXPECT_OK(Call(FleetOf(who), &Fleet::AssociateSourceServers, associate));
  associate.set_request_id(NewUuid());
  EXPECT_THAT(Call(FleetOf(who), &Fleet::DisassociateSourceServers, associate),
              StatusIs(absl::StatusCode::kPermissionDenied, "ask an admin"));
}

TEST_F(ScopeRulesTest, ChangesTakeEffectAndLeaveATrace) {
  const std::string who = "user/viewer/changing";
  jobs::GetJobRequest get;
  get.set_name(in_.job);
  // The answer of another service becomes this, after a while.
  const auto becomes = [&](absl::StatusCode code) {
    const absl::Time until = absl::Now() + kTakesEffect;
    absl::Status last;
    do {
      last = Call(JobsOf(who), &jobs::JobService::Stub::GetJob, get).status();
      if (last.code() == code) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(100));
    } while (absl::Now() < until);
    return last;
  };
  EXPECT_OK(Call(JobsOf(who), &jobs::JobService::Stub::GetJob, get));
  registry::Scope scope;
  scope.set_principal(who);
  scope.add_applications(out_.application);
  scope.set_description("for a test");
  ASSERT_OK_AND_ASSIGN(const registry::Scope first, SetScope(scope));
  EXPECT_EQ(first.changed_by(), kAdmin);
  registry::GetSourceServerRequest server;
  server.set_name(in_.server);
  EXPECT_THAT(Call(ServersOf(who), &Servers::GetSourceServer, server),
              StatusIs(absl::StatusCode::kNotFound, ""));  // at once
  EXPECT_OK(becomes(absl::StatusCode::kNotFound));

  scope.set_etag("4711");
  EXPECT_THAT(SetScope(scope), StatusIs(absl::StatusCode::kAborted, ""));
  scope.set_etag(first.etag());
  scope.set_applications(0, in_.application);
  ASSERT_OK_AND_ASSIGN(const registry::Scope second, SetScope(scope));
  EXPECT_NE(second.etag(), first.etag());
  EXPECT_OK(becomes(absl::StatusCode::kOk));

  registry::ListScopesRequest list;
  list.set_principal(who);
  ASSERT_OK_AND_ASSIGN(const auto listed, Call(ScopesOf(kAdmin), &Scopes::ListScopes, list));
  ASSERT_EQ(listed.scopes_size(), 1);
  EXPECT_EQ(listed.scopes(0).DebugString(), second.DebugString());
  EXPECT_THAT(Call(ScopesOf("user/operator/free"), &Scopes::ListScopes, list),
              StatusIs(absl::StatusCode::kPermissionDenied, ""));

  registry::DeleteScopeRequest remove;
  remove.set_principal(who);
  ASSERT_OK(Call(ScopesOf(kAdmin), &Scopes::DeleteScope, remove));
  EXPECT_THAT(Call(ScopesOf(kAdmin), &Scopes::DeleteScope, remove),
              StatusIs(absl::StatusCode::kNotFound, "is not limited"));
  server.set_name(out_.server);
  EXPECT_OK(Call(ServersOf(who), &Servers::GetSourceServer, server));
  get.set_name(out_.job);
  EXPECT_OK(becomes(absl::StatusCode::kOk));

  registry::ListAuditEntriesRequest audit;
  audit.set_resource(who);
  ASSERT_OK_AND_ASSIGN(const auto entries, Call(FleetOf(kAdmin), &Fleet::ListAuditEntries, audit));
  std::vector<std::string> trace;
  for (const auto& entry : entries.entries()) {
    trace.push_back(absl::StrCat(entry.method(), " ", entry.code()));
  }
  EXPECT_THAT(trace, ElementsAre("ScopeService.DeleteScope 5", "ScopeService.DeleteScope 0",
                                 "ScopeService.SetScope 0", "ScopeService.SetScope 10",
                                 "ScopeService.SetScope 0"));
  // A limited user's refused change, too.
  audit.set_resource(out_.server);
  ASSERT_OK_AND_ASSIGN(const auto of_server,
                       Call(FleetOf(kAdmin), &Fleet::ListAuditEntries, audit));
  EXPECT_TRUE(std::any_of(of_server.entries().begin(), of_server.entries().end(),
                          [](const registry::AuditEntry& entry) {
                            return entry.principal() == "user/operator/lim" && entry.code() == 5;
                          }));
}

TEST_F(ScopeRulesTest, AWatchFollowsAChangedScope) {
  const std::string who = "user/operator/watching";
  const auto stub = ServersOf(who);
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(60));
  const auto reader = stub->WatchSourceServers(&context, {});
  registry::SourceServer seen;
  std::set<std::string> names;
  while (!names.contains(out_.server) && reader->Read(&seen)) names.insert(seen.name());
  ASSERT_TRUE(names.contains(out_.server));
  registry::Scope scope;
  scope.set_principal(who);
  scope.add_waves(in_.wave);
  ASSERT_OK(SetScope(scope));
  // A change outside, then one within: the stream shows the second alone.
  for (const World* world : {&out_, &in_}) {
    registry::UpdateSourceServerRequest update;
    update.mutable_source_server()->set_name(world->server);
    update.mutable_source_server()->mutable_notes()->set_action_fqdn("changed.example");
    update.mutable_update_mask()->add_paths("notes.action_fqdn");
    ASSERT_OK(Call(ServersOf(kAdmin), &Servers::UpdateSourceServer, update));
  }
  bool came = false;
  while (!came && reader->Read(&seen)) {
    if (seen.notes().action_fqdn().empty()) continue;
    EXPECT_EQ(seen.name(), in_.server);
    came = seen.name() == in_.server;
  }
  EXPECT_TRUE(came);
  context.TryCancel();
  reader->Finish();
}

TEST_F(ScopeRulesTest, AScopeWhoseApplicationIsGoneReachesNothing) {
  const std::string who = "user/operator/orphan";
  ASSERT_OK_AND_ASSIGN(const std::string application, NewApplication("Orphan", {}));
  registry::Scope scope;
  scope.set_principal(who);
  scope.add_applications(application);
  ASSERT_OK(SetScope(scope));
  registry::DeleteGroupRequest remove;
  remove.set_name(application);
  remove.set_request_id(NewUuid());
  EXPECT_THAT(Call(FleetOf(who), &Fleet::DeleteApplication, remove),
              StatusIs(absl::StatusCode::kPermissionDenied, ""));
  ASSERT_OK(Call(FleetOf(kAdmin), &Fleet::DeleteApplication, remove));
  ASSERT_OK_AND_ASSIGN(const auto servers, Call(ServersOf(who), &Servers::ListSourceServers,
                                                registry::ListSourceServersRequest()));
  EXPECT_THAT(servers.source_servers(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const auto found, Call(JobsOf(who), &jobs::JobService::Stub::ListJobs,
                                              jobs::ListJobsRequest()));
  EXPECT_THAT(found.jobs(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const auto replications,
                       Call(replication::ReplicationService::NewStub(As("replication", who)),
                            &replication::ReplicationService::Stub::ListReplications,
                            replication::ListReplicationsRequest()));
  EXPECT_THAT(replications.replications(), IsEmpty());
}

TEST_F(ScopeRulesTest, RequestsAreChecked) {
  const auto field = [](const registry::Scope& scope) {
    const absl::Status status = SetScope(scope).status();
    const auto violations = rpc::GetInfo(status).field_violations;
    return violations.empty() ? status.ToString() : violations[0].first;
  };
  registry::Scope good;
  good.set_principal("user/operator/checked");
  good.add_applications(in_.application);
  for (const char* who : {"", "user/admin/root", "service/jobs", "alice", "user/operator/a b"}) {
    registry::Scope scope = good;
    scope.set_principal(who);
    EXPECT_EQ(field(scope), "scope.principal") << who;
  }
  registry::Scope scope = good;
  scope.clear_applications();
  EXPECT_EQ(field(scope), "scope");
  scope = good;
  scope.add_applications("app-1");
  EXPECT_EQ(field(scope), "scope.applications[1]");
  scope = good;
  scope.add_applications(in_.application);
  EXPECT_EQ(field(scope), "scope.applications[1]");
  scope = good;
  scope.add_waves(in_.application);
  EXPECT_EQ(field(scope), "scope.waves[0]");
  scope = good;
  scope.add_tags();
  EXPECT_EQ(field(scope), "scope.tags[0].key");
  scope = good;
  for (int i = 0; i < 51; ++i) scope.add_tags()->set_key(absl::StrCat("key", i));
  EXPECT_EQ(field(scope), "scope.tags");
  scope = good;
  scope.set_description(std::string(257, 'x'));
  EXPECT_EQ(field(scope), "scope.description");
  scope = good;
  scope.add_waves(none_.wave);
  EXPECT_THAT(SetScope(scope), StatusIs(absl::StatusCode::kNotFound, Id(none_.wave)));
  registry::ListScopesRequest list;
  list.set_principal(good.principal());
  ASSERT_OK_AND_ASSIGN(const auto listed, Call(ScopesOf(kAdmin), &Scopes::ListScopes, list));
  EXPECT_THAT(listed.scopes(), IsEmpty());  // nothing of the refused ones stayed
}

TEST_F(ScopeRulesTest, ListsOfTenThousandServersStayFast) {
  const std::string who = "user/viewer/many";
  ASSERT_OK_AND_ASSIGN(const std::string application, NewApplication("Many", {}));
  ASSERT_OK_AND_ASSIGN(const auto connection, pg::Connection::Open(cluster_->conninfo()));
  constexpr pg::Statement kMany = {
      "test_many",
      "insert into registry.source_server (id, lifecycle, application_id, user_provided_id) select"
      " 's-f' || lpad(to_hex(i), 16, '0'), 1, case when i % 2 = 0 then $1 end, 'many-' || i"
      " from generate_series(1, 10000) i"};
  ASSERT_OK(connection->Exec(kMany, {Id(application)}));
  registry::Scope scope;
  scope.set_principal(who);
  scope.add_applications(application);
  ASSERT_OK(SetScope(scope));
  registry::ListSourceServersRequest list;
  list.set_page_size(500);
  std::set<std::string> names;
  absl::Duration longest;
  do {
    const absl::Time start = absl::Now();
    ASSERT_OK_AND_ASSIGN(const auto page, Call(ServersOf(who), &Servers::ListSourceServers, list));
    longest = std::max(longest, absl::Now() - start);
    for (const auto& server : page.source_servers()) names.insert(server.name());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(names.size(), 5000u);
  const absl::Time start = absl::Now();
  ASSERT_OK(Call(JobsOf(who), &jobs::JobService::Stub::ListJobs, jobs::ListJobsRequest()));
  const absl::Duration of_jobs = absl::Now() - start;
  std::cout << "5,000 of 10,000 servers: slowest page of 500 " << absl::FormatDuration(longest)
            << ", jobs with the scope asked anew " << absl::FormatDuration(of_jobs) << std::endl;
  EXPECT_LT(longest, absl::Seconds(5));
  EXPECT_LT(of_jobs, absl::Seconds(5));
}

TEST_F(ScopeRulesTest, WithoutTheRegistryWhoIsNotKnownIsRefused) {
  jobs::GetJobRequest get;
  get.set_name(in_.job);
  ASSERT_OK(Call(JobsOf("user/operator/lim"), &jobs::JobService::Stub::GetJob, get));
  cluster_->Get("registry").Signal(SIGKILL);
  ASSERT_OK(cluster_->Get("registry").Wait(absl::Seconds(20)));
  // Known a moment ago: still limited, and still let in.
  EXPECT_OK(Call(JobsOf("user/operator/lim"), &jobs::JobService::Stub::GetJob, get));
  get.set_name(out_.job);
  EXPECT_THAT(Call(JobsOf("user/operator/lim"), &jobs::JobService::Stub::GetJob, get),
              StatusIs(absl::StatusCode::kNotFound, ""));
  for (const char* who : {"user/operator/stranger", "user/viewer/stranger"}) {
    const auto status = Call(JobsOf(who), &jobs::JobService::Stub::GetJob, get).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "is limited to a scope"));
    EXPECT_EQ(Reason(status), "SCOPE_NOT_KNOWN");
  }
  EXPECT_OK(Call(JobsOf(kAdmin), &jobs::JobService::Stub::GetJob, get));
  EXPECT_OK(Call(JobsOf("service/registry"), &jobs::JobService::Stub::GetJob, get));
  ASSERT_OK(cluster_->StartService("registry"));
}

}  // namespace
}  // namespace godwit::testing
