// Applications and waves: what their members make up, filters, limits, what may be archived.
#include <algorithm>

#include "absl/time/clock.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using Fleet = pb::FleetService::Stub;
using replication_pb::Replication;
using Status = pb::GroupStatus;

class GroupsTest : public RegistryTest {
 protected:
  void SetUp() override {
    fleet_ = pb::FleetService::NewStub(ChannelAs("user/operator/carol"));
    verbs_ = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  }

  absl::StatusOr<pb::Application> NewApplication(const std::string& title) {
    pb::CreateApplicationRequest create;
    create.set_request_id(NewUuid());
    create.mutable_application()->set_display_name(title);
    return Call(*fleet_, &Fleet::CreateApplication, create);
  }
  absl::StatusOr<pb::Wave> NewWave(const std::string& title) {
    pb::CreateWaveRequest create;
    create.set_request_id(NewUuid());
    create.mutable_wave()->set_display_name(title);
    return Call(*fleet_, &Fleet::CreateWave, create);
  }
  static pb::AssociateRequest Members(const std::string& group,
                                      const std::vector<std::string>& members) {
    pb::AssociateRequest request;
    request.set_name(group);
    for (const std::string& member : members) request.add_members(member);
    request.set_request_id(NewUuid());
    return request;
  }
  absl::StatusOr<pb::Application> Application(const std::string& name) {
    pb::GetGroupRequest request;
    request.set_name(name);
    return Call(*fleet_, &Fleet::GetApplication, request);
  }
  absl::StatusOr<pb::Wave> Wave(const std::string& name) {
    pb::GetGroupRequest request;
    request.set_name(name);
    return Call(*fleet_, &Fleet::GetWave, request);
  }
  absl::StatusOr<pb::Application> Archive(const std::string& name, bool archived) {
    pb::UpdateApplicationRequest request;
    request.mutable_application()->set_name(name);
    request.mutable_application()->set_archived(archived);
    request.mutable_update_mask()->add_paths("archived");
    return Call(*fleet_, &Fleet::UpdateApplication, request);
  }
  absl::StatusOr<pb::Wave> ArchiveWave(const std::string& name, bool archived) {
    pb::UpdateWaveRequest request;
    request.mutable_wave()->set_name(name);
    request.mutable_wave()->set_archived(archived);
    request.mutable_update_mask()->add_paths("archived");
    return Call(*fleet_, &Fleet::UpdateWave, request);
  }
  absl::Status Disconnect(const std::string& server) {
    pb::FinalizeRequest request;
    request.set_name(server);
    request.set_request_id(NewUuid());
    return Call(*verbs_, &pb::SourceServerService::Stub::DisconnectFromService, request).status();
  }
  // The replication service says these states from now on; waits until the application shows it.
  void ExpectHealth(const std::string& application, Status::Health wanted,
                    const std::vector<std::pair<std::string, Replication>>& said) {
    std::vector<Replication> list;
    for (auto [server, replication] : said) {
      replication.set_name(server + "/replication");
      list.push_back(replication);
    }
    installation_->replication.Show(list);
    pb::Application shown;
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    do {
      ASSERT_OK_AND_ASSIGN(shown, Application(application));
    } while (shown.status().health() != wanted && absl::Now() < give_up);
    EXPECT_EQ(shown.status().health(), wanted) << shown.DebugString();
  }
  static Replication In(Replication::State state, int lag_seconds = -1) {
    Replication replication;
    replication.set_state(state);
    if (lag_seconds >= 0) replication.mutable_lag()->set_seconds(lag_seconds);
    return replication;
  }
  template <typename Response>
  static std::vector<std::string> NamesIn(const Response& groups) {
    std::vector<std::string> names;
    for (const auto& group : groups) names.push_back(group.name());
    std::sort(names.begin(), names.end());
    return names;
  }
  void ExpectQuota(const absl::Status& status, const std::string& code, const std::string& limit,
                   const std::string& option) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, option));
    std::map<std::string, std::string> details;
    for (const auto& [key, value] : rpc::GetInfo(status).metadata) details[key] = value;
    EXPECT_EQ(rpc::GetInfo(status).reason, "QUOTA_EXCEEDED");
    EXPECT_EQ(details["quota_code"], code);
    EXPECT_EQ(details["quota_value"], limit);
    EXPECT_EQ(details["quota_used"], limit);
    EXPECT_EQ(details["option"], "--" + option);
  }

  std::unique_ptr<Fleet> fleet_;
  std::unique_ptr<pb::SourceServerService::Stub> verbs_;
};

TEST_F(GroupsTest, MembersMakeUpHealthAndProgress) {
  ASSERT_OK_AND_ASSIGN(const pb::Application made, NewApplication("Shop"));
  EXPECT_EQ(made.status().health(), Status::HEALTHY);
  EXPECT_EQ(made.status().progress(), Status::NOT_STARTED);
  EXPECT_EQ(made.status().server_count(), 0);
  EXPECT_FALSE(made.status().has_replication_start_time());
  ASSERT_OK_AND_ASSIGN(const pb::Wave wave, NewWave("First"));
  const std::string a = EnrolledServer();
  const std::string b = EnrolledServer();
  ASSERT_OK_AND_ASSIGN(const pb::Application both,
                       Call(*fleet_, &Fleet::AssociateSourceServers, Members(made.name(), {b, a})));
  EXPECT_EQ(both.status().server_count(), 2);
  EXPECT_EQ(both.status().started_count(), 2);
  EXPECT_EQ(both.status().progress(), Status::IN_PROGRESS);
  EXPECT_EQ(both.status().replication_start_time().seconds(), Get(a).create_time().seconds());
  ASSERT_OK_AND_ASSIGN(const pb::Wave filled, Call(*fleet_, &Fleet::AssociateApplications,
                                                   Members(wave.name(), {made.name()})));
  EXPECT_EQ(filled.status().application_count(), 1);
  EXPECT_EQ(filled.status().server_count(), 2);
  EXPECT_EQ(filled.status().progress(), Status::IN_PROGRESS);
  EXPECT_TRUE(filled.status().has_replication_start_time());

  // Health, as the replication service says; names that are nobody's are passed over.
  ExpectHealth(made.name(), Status::ERROR,
               {{a, In(Replication::CONTINUOUS, 0)},
                {b, In(Replication::STALLED)},
                {"sourceServers/s-fffffffffffffffff", In(Replication::STALLED)},
                {"nonsense", In(Replication::STALLED)}});
  EXPECT_EQ(Application(made.name())->status().stalled_count(), 1);
  EXPECT_EQ(Wave(wave.name())->status().health(), Status::ERROR);
  ExpectHealth(made.name(), Status::LAGGING,
               {{a, In(Replication::CONTINUOUS, 60)}, {b, In(Replication::INITIAL_SYNC)}});
  ExpectHealth(made.name(), Status::HEALTHY,
               {{a, In(Replication::CONTINUOUS, 59)}, {b, In(Replication::CONTINUOUS, 1)}});
  ExpectHealth(made.name(), Status::LAGGING, {{a, In(Replication::BACKLOG)}});
  EXPECT_EQ(Application(made.name())->status().lagging_count(), 1);
  const std::string version = Get(a).etag();

  // What replicates no more has no health that counts; an archived group shows none.
  ASSERT_OK(Disconnect(a));
  EXPECT_NE(Get(a).etag(), version);
  ASSERT_OK_AND_ASSIGN(const pb::Application without, Application(made.name()));
  EXPECT_EQ(without.status().health(), Status::HEALTHY);
  EXPECT_EQ(without.status().progress(), Status::IN_PROGRESS);
  ASSERT_OK(Disconnect(b));
  ASSERT_OK_AND_ASSIGN(const pb::Application hidden, Archive(made.name(), true));
  EXPECT_EQ(hidden.status().health(), Status::HEALTH_UNSPECIFIED);
  EXPECT_TRUE(Get(a).archived());
  ASSERT_OK_AND_ASSIGN(const pb::Application shown, Archive(made.name(), false));
  EXPECT_FALSE(Get(a).archived());
  EXPECT_GT(shown.update_time().seconds() * 1e9 + shown.update_time().nanos(),
            made.update_time().seconds() * 1e9 + made.update_time().nanos());
}

class GroupLimitsTest : public GroupsTest {
 protected:
  static void SetUpTestSuite() {
    ASSERT_OK(SetUpInstallation(Profile::kStrict));
    installation_->config.group_limits = {.servers_per_application = 2,
                                          .applications_per_wave = 2,
                                          .active_applications = 4,
                                          .active_waves = 2,
                                          .archived_applications = 1,
                                          .archived_waves = 1};
    ASSERT_OK(StartRegistry());
  }
};

TEST_F(GroupLimitsTest, FiltersLimitsArchivesAndEtags) {
  // Limits: four applications, two waves, two members each.
  std::vector<std::string> applications, waves;
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK_AND_ASSIGN(const pb::Application one, NewApplication(absl::StrCat("a", i)));
    applications.push_back(one.name());
  }
  ExpectQuota(NewApplication("one too many").status(), "ACTIVE_APPLICATIONS", "4",
              "quota-active-applications");
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const pb::Wave one, NewWave(absl::StrCat("w", i)));
    waves.push_back(one.name());
  }
  ExpectQuota(NewWave("one too many").status(), "ACTIVE_WAVES", "2", "quota-active-waves");
  std::vector<std::string> servers;
  for (int i = 0; i < 3; ++i) servers.push_back(EnrolledServer());
  ASSERT_OK(Call(*fleet_, &Fleet::AssociateSourceServers,
                 Members(applications[0], {servers[0], servers[1]})));
  // Those that are there already count once.
  ASSERT_OK(Call(*fleet_, &Fleet::AssociateSourceServers,
                 Members(applications[0], {servers[0], servers[1]})));
  ExpectQuota(Call(*fleet_, &Fleet::AssociateSourceServers,
                   Members(applications[0], {servers[1], servers[2]}))
                  .status(),
              "SERVERS_PER_APPLICATION", "2", "quota-servers-per-application");
  EXPECT_EQ(Get(servers[2]).application(), "");
  ASSERT_OK(Call(*fleet_, &Fleet::AssociateApplications,
                 Members(waves[0], {applications[0], applications[1]})));
  ExpectQuota(
      Call(*fleet_, &Fleet::AssociateApplications, Members(waves[0], {applications[2]})).status(),
      "APPLICATIONS_PER_WAVE", "2", "quota-applications-per-wave");
  ASSERT_OK(Call(*fleet_, &Fleet::AssociateApplications, Members(waves[1], {applications[2]})));
  EXPECT_THAT(Call(*fleet_, &Fleet::AssociateApplications, Members(waves[1], {applications[0]})),
              StatusIs(absl::StatusCode::kFailedPrecondition, waves[0]));
  EXPECT_THAT(Call(*fleet_, &Fleet::AssociateSourceServers,
                   Members(applications[1], {"sourceServers/s-fffffffffffffffff"})),
              StatusIs(absl::StatusCode::kNotFound, "s-fffffffffffffffff"));

  // Filters.
  pb::ListGroupsRequest list;
  list.add_waves(waves[0]);
  EXPECT_EQ(NamesIn(Call(*fleet_, &Fleet::ListApplications, list)->applications()),
            NamesIn(std::vector<pb::Application>{*Application(applications[0]),
                                                 *Application(applications[1])}));
  list.add_names(applications[1]);
  list.add_names(applications[3]);
  EXPECT_THAT(NamesIn(Call(*fleet_, &Fleet::ListApplications, list)->applications()),
              ElementsAre(applications[1]));
  EXPECT_THAT(Call(*fleet_, &Fleet::ListWaves, list),
              StatusIs(absl::StatusCode::kInvalidArgument, "names[0]"));
  list.clear_names();
  EXPECT_THAT(Call(*fleet_, &Fleet::ListWaves, list),
              StatusIs(absl::StatusCode::kInvalidArgument, "waves"));
  list.add_waves("waves/w");
  EXPECT_THAT(Call(*fleet_, &Fleet::ListApplications, list),
              StatusIs(absl::StatusCode::kInvalidArgument, "waves[1]"));

  // Archiving: one archived application, one archived wave at most.
  ASSERT_OK(Archive(applications[3], true));
  ExpectQuota(Archive(applications[1], true).status(), "ARCHIVED_APPLICATIONS", "1",
              "quota-archived-applications");
  ExpectQuota(ArchiveWave(waves[1], true).status(), "ARCHIVED_APPLICATIONS", "1",
              "quota-archived-applications");
  EXPECT_FALSE(Wave(waves[1])->archived());
  pb::ListGroupsRequest only;
  only.set_archived(true);
  EXPECT_THAT(NamesIn(Call(*fleet_, &Fleet::ListApplications, only)->applications()),
              ElementsAre(applications[3]));
  only.set_archived(false);
  only.set_show_archived(true);
  EXPECT_EQ(Call(*fleet_, &Fleet::ListApplications, only)->applications_size(), 3);
  EXPECT_THAT(Call(*fleet_, &Fleet::AssociateSourceServers, Members(applications[3], {servers[2]})),
              StatusIs(absl::StatusCode::kFailedPrecondition, "archived"));
  // There is room for an active one now; then none for the archived one.
  ASSERT_OK(NewApplication("in its place"));
  ExpectQuota(Archive(applications[3], false).status(), "ACTIVE_APPLICATIONS", "4",
              "quota-active-applications");
  pb::DeleteGroupRequest remove;
  remove.set_name(applications[3]);
  remove.set_etag("v1");
  remove.set_request_id(NewUuid());
  EXPECT_THAT(Call(*fleet_, &Fleet::DeleteApplication, remove),
              StatusIs(absl::StatusCode::kAborted, "etag"));
  remove.clear_etag();
  remove.set_request_id(NewUuid());
  ASSERT_OK(Call(*fleet_, &Fleet::DeleteApplication, remove));
  EXPECT_OK(Call(*fleet_, &Fleet::DeleteApplication, remove));  // the same request again

  // Down from a wave, and nothing of it back alone.
  ASSERT_OK(ArchiveWave(waves[1], true));
  EXPECT_TRUE(Application(applications[2])->archived());
  EXPECT_THAT(Archive(applications[2], false),
              StatusIs(absl::StatusCode::kFailedPrecondition, waves[1]));
  // servers[0] is in use.
  EXPECT_THAT(ArchiveWave(waves[0], true),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       servers[0] < servers[1] ? servers[0] : servers[1]));
}

TEST_F(GroupsTest, UpdatesAreDoneOnceAndInCharacters) {
  ASSERT_OK_AND_ASSIGN(const pb::Application made, NewApplication("Shop"));
  pb::UpdateApplicationRequest update;
  update.set_request_id(NewUuid());
  update.mutable_application()->set_name(made.name());
  update.mutable_application()->set_etag(made.etag());
  update.mutable_update_mask()->add_paths("display_name");
  std::string longest;
  for (int i = 0; i < 256; ++i) longest += "ß";
  update.mutable_application()->set_display_name(longest);
  ASSERT_OK_AND_ASSIGN(const pb::Application first,
                       Call(*fleet_, &Fleet::UpdateApplication, update));
  EXPECT_EQ(first.display_name(), longest);
  ASSERT_OK_AND_ASSIGN(const pb::Application again,
                       Call(*fleet_, &Fleet::UpdateApplication, update));
  EXPECT_EQ(again.etag(), first.etag());
  update.set_request_id(NewUuid());
  EXPECT_THAT(Call(*fleet_, &Fleet::UpdateApplication, update),
              StatusIs(absl::StatusCode::kAborted, "etag"));
  update.mutable_application()->set_display_name(longest + "ß");
  update.mutable_application()->clear_etag();
  EXPECT_THAT(Call(*fleet_, &Fleet::UpdateApplication, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "257 characters"));
  update.set_request_id("no UUID");
  EXPECT_THAT(Call(*fleet_, &Fleet::UpdateApplication, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
}

}  // namespace
}  // namespace godwit::registry
