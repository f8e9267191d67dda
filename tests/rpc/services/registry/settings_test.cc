#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using Stub = pb::SourceServerService::Stub;
using Templates = pb::SettingsTemplateService::Stub;

class SettingsTest : public RegistryTest {
 protected:
  void SetUp() override {
    operator_ = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
    templates_ = pb::SettingsTemplateService::NewStub(ChannelAs("user/admin/alice"));
  }
  std::unique_ptr<Stub> operator_;
  std::unique_ptr<Templates> templates_;
};

TEST_F(SettingsTest, NewServersStartWithTheDefaultTemplate) {
  pb::UpdateSettingsTemplateRequest update;
  update.mutable_template_()->set_name("settingsTemplates/default");
  update.mutable_template_()->mutable_replication()->set_lane_count(3);
  update.mutable_template_()->mutable_launch()->set_cpu_count(2);
  (*update.mutable_template_()->mutable_tags())["site"] = "north";
  for (const char* path : {"replication", "launch", "tags"}) {
    update.mutable_update_mask()->add_paths(path);
  }
  ASSERT_OK(Call(*templates_, &Templates::UpdateSettingsTemplate, update));
  const std::string name = EnrolledServer();
  EXPECT_EQ(Get(name).tags().at("site"), "north");
  pb::GetSettingsRequest ask;
  ask.set_name(name);
  EXPECT_EQ(Call(*operator_, &Stub::GetReplicationSettings, ask)->lane_count(), 3);
  EXPECT_EQ(Call(*operator_, &Stub::GetLaunchSettings, ask)->cpu_count(), 2);

  // What a server has is its own from then on.
  pb::UpdateReplicationSettingsRequest change;
  change.set_name(name);
  change.mutable_settings()->set_lane_count(5);
  change.mutable_settings()->set_never_freeze(true);  // not named: stays as it was
  change.mutable_update_mask()->add_paths("lane_count");
  ASSERT_OK_AND_ASSIGN(const auto changed,
                       Call(*operator_, &Stub::UpdateReplicationSettings, change));
  EXPECT_EQ(changed.lane_count(), 5);
  EXPECT_FALSE(changed.never_freeze());
  const auto service = pb::RegistryEventService::NewStub(ChannelAs("service/replication"));
  pb::GetServerForServiceRequest for_service;
  for_service.set_name(name);
  EXPECT_EQ(Call(*service, &pb::RegistryEventService::Stub::GetServerForService, for_service)
                ->replication_settings()
                .lane_count(),
            5);
  change.mutable_settings()->set_lane_count(99);
  const auto refused = Call(*operator_, &Stub::UpdateReplicationSettings, change);
  ASSERT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, "lane_count"));
  EXPECT_EQ(rpc::GetInfo(refused.status()).field_violations[0].first, "settings.lane_count");
}

// Who changes what he read before says so by the server's etag.
TEST_F(SettingsTest, AStaleEtagChangesNothing) {
  const std::string name = EnrolledServer();
  pb::UpdateLaunchSettingsRequest change;
  change.set_name(name);
  change.set_etag(Get(name).etag());
  change.mutable_settings()->set_cpu_count(2);
  change.mutable_update_mask()->add_paths("cpu_count");
  ASSERT_OK(Call(*operator_, &Stub::UpdateLaunchSettings, change));
  change.mutable_settings()->set_cpu_count(3);
  EXPECT_THAT(Call(*operator_, &Stub::UpdateLaunchSettings, change),
              StatusIs(absl::StatusCode::kAborted, "etag"));
  pb::UpdateReplicationSettingsRequest other;
  other.set_name(name);
  other.set_etag(change.etag());
  other.mutable_update_mask()->add_paths("lane_count");
  EXPECT_THAT(Call(*operator_, &Stub::UpdateReplicationSettings, other),
              StatusIs(absl::StatusCode::kAborted, "etag"));
  other.set_etag(Get(name).etag());
  EXPECT_OK(Call(*operator_, &Stub::UpdateReplicationSettings, other));
  pb::GetSettingsRequest ask;
  ask.set_name(name);
  EXPECT_EQ(Call(*operator_, &Stub::GetLaunchSettings, ask)->cpu_count(), 2);
}

TEST_F(SettingsTest, LaunchSettingsAreCheckedAsAWhole) {
  const std::string name = EnrolledServer();
  pb::UpdateLaunchSettingsRequest change;
  change.set_name(name);
  change.mutable_settings()->mutable_boot_proof()->add_tcp_ports(22);
  change.mutable_update_mask()->add_paths("boot_proof");
  EXPECT_THAT(Call(*operator_, &Stub::UpdateLaunchSettings, change),
              StatusIs(absl::StatusCode::kInvalidArgument, "port_forwards"));
  change.mutable_settings()->add_port_forwards()->set_guest_port(22);
  change.mutable_update_mask()->add_paths("port_forwards");
  ASSERT_OK(Call(*operator_, &Stub::UpdateLaunchSettings, change));
  change.mutable_settings()->clear_port_forwards();
  change.mutable_update_mask()->clear_paths();
  change.mutable_update_mask()->add_paths("port_forwards");
  EXPECT_THAT(Call(*operator_, &Stub::UpdateLaunchSettings, change),
              StatusIs(absl::StatusCode::kInvalidArgument, "boot_proof.tcp_ports"));
}

TEST_F(SettingsTest, TemplatesComeAndGo) {
  pb::CreateSettingsTemplateRequest create;
  create.set_request_id(NewUuid());
  create.set_template_id("databases");
  create.mutable_template_()->mutable_replication()->set_lane_count(8);
  (*create.mutable_template_()->mutable_replication()->mutable_notes())["kept"] = "[1]";
  (*create.mutable_template_()->mutable_replication_tags())["a"] = "b";
  (*create.mutable_template_()->mutable_launch_tags())["c"] = "d";
  ASSERT_OK_AND_ASSIGN(const auto made,
                       Call(*templates_, &Templates::CreateSettingsTemplate, create));
  EXPECT_EQ(made.replication().notes().at("kept"), "[1]");
  EXPECT_EQ(made.replication_tags().at("a"), "b");
  EXPECT_EQ(made.launch_tags().at("c"), "d");
  EXPECT_EQ(made.name(), "settingsTemplates/databases");
  create.set_request_id(NewUuid());
  EXPECT_THAT(Call(*templates_, &Templates::CreateSettingsTemplate, create),
              StatusIs(absl::StatusCode::kAlreadyExists, "databases"));
  create.set_template_id("Bad Id");
  EXPECT_THAT(Call(*templates_, &Templates::CreateSettingsTemplate, create),
              StatusIs(absl::StatusCode::kInvalidArgument, "template_id"));

  pb::UpdateSettingsTemplateRequest update;
  *update.mutable_template_() = made;
  update.mutable_template_()->mutable_replication()->set_lane_count(1);
  update.mutable_template_()->clear_launch_tags();
  update.mutable_template_()->clear_replication_tags();  // not named: stays
  update.mutable_update_mask()->add_paths("replication");
  update.mutable_update_mask()->add_paths("launch_tags");
  ASSERT_OK_AND_ASSIGN(const auto updated,
                       Call(*templates_, &Templates::UpdateSettingsTemplate, update));
  EXPECT_EQ(updated.replication_tags().size(), 1u);
  EXPECT_EQ(updated.launch_tags().size(), 0u);
  EXPECT_THAT(Call(*templates_, &Templates::UpdateSettingsTemplate, update),
              StatusIs(absl::StatusCode::kAborted, "etag"));  // made.etag is old now

  pb::ListSettingsTemplatesRequest list;
  list.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto first,
                       Call(*templates_, &Templates::ListSettingsTemplates, list));
  ASSERT_EQ(first.templates_size(), 1);
  EXPECT_EQ(first.templates(0).name(), "settingsTemplates/databases");
  list.set_page_token(first.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto second,
                       Call(*templates_, &Templates::ListSettingsTemplates, list));
  EXPECT_EQ(second.templates(0).name(), "settingsTemplates/default");
  EXPECT_EQ(second.next_page_token(), "");

  pb::DeleteSettingsTemplateRequest remove;
  remove.set_name("settingsTemplates/default");
  EXPECT_THAT(Call(*templates_, &Templates::DeleteSettingsTemplate, remove),
              StatusIs(absl::StatusCode::kFailedPrecondition, "default"));
  remove.set_name("settingsTemplates/databases");
  EXPECT_OK(Call(*templates_, &Templates::DeleteSettingsTemplate, remove));
  EXPECT_THAT(Call(*templates_, &Templates::DeleteSettingsTemplate, remove),
              StatusIs(absl::StatusCode::kNotFound, "databases"));
  const auto as_operator = pb::SettingsTemplateService::NewStub(ChannelAs("user/operator/carol"));
  EXPECT_THAT(Call(*as_operator, &Templates::DeleteSettingsTemplate, remove),
              StatusIs(absl::StatusCode::kPermissionDenied, "admin"));
}

TEST_F(SettingsTest, TagsOfAServer) {
  const std::string name = EnrolledServer();
  pb::UpdateSourceServerRequest update;
  update.mutable_source_server()->set_name(name);
  (*update.mutable_source_server()->mutable_tags())["tier"] = "gold";
  update.mutable_update_mask()->add_paths("tags");
  ASSERT_OK_AND_ASSIGN(const auto tagged, Call(*operator_, &Stub::UpdateSourceServer, update));
  EXPECT_EQ(tagged.tags().at("tier"), "gold");
  update.mutable_update_mask()->set_paths(0, "lifecycle_state");
  EXPECT_THAT(Call(*operator_, &Stub::UpdateSourceServer, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "update_mask"));
}

}  // namespace
}  // namespace godwit::registry
