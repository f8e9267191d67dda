#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using Fleet = pb::FleetService::Stub;

class FleetTest : public RegistryTest {
 protected:
  void SetUp() override {
    operator_ = pb::FleetService::NewStub(ChannelAs("user/operator/carol"));
    admin_ = pb::FleetService::NewStub(ChannelAs("user/admin/alice"));
  }
  std::string NewApplication() {
    pb::CreateApplicationRequest create;
    create.set_request_id(NewUuid());
    create.mutable_application()->set_display_name("Shop");
    const auto made = Call(*operator_, &Fleet::CreateApplication, create);
    EXPECT_OK(made);
    return made.ok() ? made->name() : "";
  }
  static pb::AssociateRequest Associate(const std::string& group, const std::string& member) {
    pb::AssociateRequest request;
    request.set_name(group);
    request.add_members(member);
    request.set_request_id(NewUuid());
    return request;
  }
  template <typename Request = pb::GetGroupRequest>
  static Request Named(const std::string& name) {
    Request request;
    request.set_name(name);
    return request;
  }
  std::unique_ptr<Fleet> operator_, admin_;
};

TEST_F(FleetTest, ServersInApplicationsInWaves) {
  const std::string application = NewApplication();
  const std::string server = EnrolledServer();
  ASSERT_OK(Call(*operator_, &Fleet::AssociateSourceServers, Associate(application, server)));
  ASSERT_OK(Call(*operator_, &Fleet::AssociateSourceServers, Associate(application, server)));
  EXPECT_EQ(Get(server).application(), application);
  EXPECT_THAT(Call(*operator_, &Fleet::AssociateSourceServers, Associate(NewApplication(), server)),
              StatusIs(absl::StatusCode::kFailedPrecondition, application));

  pb::CreateWaveRequest create;
  create.set_request_id(NewUuid());
  create.mutable_wave()->set_display_name("First");
  ASSERT_OK_AND_ASSIGN(const pb::Wave wave, Call(*operator_, &Fleet::CreateWave, create));
  ASSERT_OK(Call(*operator_, &Fleet::AssociateApplications, Associate(wave.name(), application)));
  EXPECT_EQ(Call(*operator_, &Fleet::GetApplication, Named(application))->wave(), wave.name());

  // A list by application finds its servers alone.
  const auto servers = pb::SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
  pb::ListSourceServersRequest list;
  list.set_application(application);
  ASSERT_OK_AND_ASSIGN(const auto found,
                       Call(*servers, &pb::SourceServerService::Stub::ListSourceServers, list));
  ASSERT_EQ(found.source_servers_size(), 1);
  EXPECT_EQ(found.source_servers(0).name(), server);

  // Archiving reaches down, but not while a server is in use.
  pb::UpdateWaveRequest archive;
  archive.mutable_wave()->set_name(wave.name());
  archive.mutable_wave()->set_archived(true);
  archive.mutable_update_mask()->add_paths("archived");
  EXPECT_THAT(Call(*operator_, &Fleet::UpdateWave, archive),
              StatusIs(absl::StatusCode::kFailedPrecondition, server));
  EXPECT_FALSE(Call(*operator_, &Fleet::GetWave, Named(wave.name()))->archived());
  const auto verbs = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  pb::FinalizeRequest disconnect;
  disconnect.set_name(server);
  disconnect.set_request_id(NewUuid());
  ASSERT_OK(Call(*verbs, &pb::SourceServerService::Stub::DisconnectFromService, disconnect));
  ASSERT_OK(Call(*operator_, &Fleet::UpdateWave, archive));
  EXPECT_TRUE(Get(server).archived());
  EXPECT_TRUE(Call(*operator_, &Fleet::GetApplication, Named(application))->archived());

  EXPECT_THAT(
      Call(*operator_, &Fleet::DeleteApplication, Named<pb::DeleteGroupRequest>(application)),
      StatusIs(absl::StatusCode::kFailedPrecondition, "members"));
  EXPECT_THAT(Call(*operator_, &Fleet::DeleteWave, Named<pb::DeleteGroupRequest>(wave.name())),
              StatusIs(absl::StatusCode::kFailedPrecondition, "members"));
  ASSERT_OK(Call(*operator_, &Fleet::DisassociateSourceServers, Associate(application, server)));
  ASSERT_OK(
      Call(*operator_, &Fleet::DisassociateApplications, Associate(wave.name(), application)));
  EXPECT_OK(
      Call(*operator_, &Fleet::DeleteApplication, Named<pb::DeleteGroupRequest>(application)));
  EXPECT_OK(Call(*operator_, &Fleet::DeleteWave, Named<pb::DeleteGroupRequest>(wave.name())));
  EXPECT_THAT(Call(*operator_, &Fleet::GetWave, Named(wave.name())),
              StatusIs(absl::StatusCode::kNotFound, wave.name()));
}

TEST_F(FleetTest, UpdatesAndLists) {
  const std::string application = NewApplication();
  NewApplication();
  pb::UpdateApplicationRequest update;
  update.mutable_application()->set_name(application);
  update.mutable_application()->set_display_name("Renamed");
  update.mutable_update_mask()->add_paths("display_name");
  ASSERT_OK_AND_ASSIGN(const auto renamed, Call(*operator_, &Fleet::UpdateApplication, update));
  EXPECT_EQ(renamed.display_name(), "Renamed");
  update.mutable_application()->clear_display_name();
  EXPECT_THAT(Call(*operator_, &Fleet::UpdateApplication, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "application.display_name"));
  update.mutable_update_mask()->set_paths(0, "wave");
  EXPECT_THAT(Call(*operator_, &Fleet::UpdateApplication, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "update_mask"));
  pb::ListGroupsRequest list;
  list.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto page, Call(*operator_, &Fleet::ListApplications, list));
  EXPECT_EQ(page.applications_size(), 1);
  EXPECT_NE(page.next_page_token(), "");
}

TEST_F(FleetTest, AuditShowsWhoDidWhatAndWhatWasRefused) {
  const std::string server = EnrolledServer();
  const auto viewer = pb::SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
  pb::DeleteSourceServerRequest remove;
  remove.set_name(server);
  EXPECT_FALSE(Call(*viewer, &pb::SourceServerService::Stub::DeleteSourceServer, remove).ok());
  const auto verbs = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  EXPECT_FALSE(Call(*verbs, &pb::SourceServerService::Stub::DeleteSourceServer, remove).ok());
  pb::ServerVerbRequest stop;
  stop.set_name(server);
  stop.set_request_id(NewUuid());
  ASSERT_OK(Call(*verbs, &pb::SourceServerService::Stub::StopReplication, stop));

  pb::ListAuditEntriesRequest list;
  list.set_resource(server);
  ASSERT_OK_AND_ASSIGN(const auto audit, Call(*admin_, &Fleet::ListAuditEntries, list));
  ASSERT_EQ(audit.entries_size(), 4);
  EXPECT_EQ(audit.entries(0).method(), "SourceServerService.StopReplication");
  EXPECT_EQ(audit.entries(0).principal(), "user/operator/carol");
  EXPECT_EQ(audit.entries(0).request_id(), stop.request_id());
  EXPECT_EQ(audit.entries(0).code(), 0);
  EXPECT_EQ(audit.entries(1).code(), static_cast<int>(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(audit.entries(2).principal(), "user/viewer/bob");
  EXPECT_EQ(audit.entries(2).code(), static_cast<int>(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(audit.entries(3).method(), "EnrollmentService.Enroll");
  list.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto page, Call(*admin_, &Fleet::ListAuditEntries, list));
  list.set_page_token(page.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto next, Call(*admin_, &Fleet::ListAuditEntries, list));
  EXPECT_EQ(next.entries(0).sequence(), audit.entries(1).sequence());
  EXPECT_THAT(Call(*operator_, &Fleet::ListAuditEntries, list),
              StatusIs(absl::StatusCode::kPermissionDenied, "admin"));
}

}  // namespace
}  // namespace godwit::registry
