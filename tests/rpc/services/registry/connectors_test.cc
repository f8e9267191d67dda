#include "godwit/registry/v1/connector_service.grpc.pb.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

class ConnectorTest : public RegistryTest {};

TEST_F(ConnectorTest, ComeChangeAndGo) {
  using Connectors = pb::ConnectorService::Stub;
  const auto connectors = pb::ConnectorService::NewStub(ChannelAs("user/operator/carol"));
  pb::CreateConnectorRequest create;
  create.set_request_id(NewUuid());
  create.mutable_connector()->set_display_name("site_1");
  create.mutable_connector()->set_instance_id("i-0123456789abcdef0");
  (*create.mutable_connector()->mutable_tags())["k"] = "v";
  create.mutable_connector()->mutable_command_config();  // all false is not the same as unset
  ASSERT_OK_AND_ASSIGN(const pb::Connector made,
                       Call(*connectors, &Connectors::CreateConnector, create));
  pb::GetConnectorRequest get;
  get.set_name(made.name());
  ASSERT_OK_AND_ASSIGN(const pb::Connector read, Call(*connectors, &Connectors::GetConnector, get));
  EXPECT_EQ(read.DebugString(), made.DebugString());
  EXPECT_TRUE(read.has_command_config());
  pb::UpdateConnectorRequest update;
  update.mutable_connector()->set_name(made.name());
  update.mutable_connector()->set_etag(made.etag());
  update.mutable_connector()->set_display_name("site-2");
  update.mutable_update_mask()->add_paths("display_name");
  update.mutable_update_mask()->add_paths("command_config");
  ASSERT_OK_AND_ASSIGN(const pb::Connector updated,
                       Call(*connectors, &Connectors::UpdateConnector, update));
  EXPECT_EQ(updated.display_name(), "site-2");
  EXPECT_FALSE(updated.has_command_config());
  EXPECT_EQ(updated.tags().at("k"), "v");
  EXPECT_THAT(Call(*connectors, &Connectors::UpdateConnector, update),
              StatusIs(absl::StatusCode::kAborted, "etag"));
  update.mutable_connector()->clear_etag();
  update.mutable_update_mask()->add_paths("instance_id");
  EXPECT_THAT(Call(*connectors, &Connectors::UpdateConnector, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "update_mask"));
  create.set_request_id(NewUuid());
  create.mutable_connector()->set_display_name("no spaces");
  EXPECT_THAT(Call(*connectors, &Connectors::CreateConnector, create),
              StatusIs(absl::StatusCode::kInvalidArgument, "connector.display_name"));
  create.mutable_connector()->set_display_name("many");
  for (int i = 1; i < 50; ++i) {
    create.set_request_id(NewUuid());
    ASSERT_OK(Call(*connectors, &Connectors::CreateConnector, create));
  }
  create.set_request_id(NewUuid());
  EXPECT_THAT(Call(*connectors, &Connectors::CreateConnector, create),
              StatusIs(absl::StatusCode::kResourceExhausted, "50 connectors"));
  pb::ListConnectorsRequest list;
  list.set_page_size(30);
  ASSERT_OK_AND_ASSIGN(const auto page, Call(*connectors, &Connectors::ListConnectors, list));
  EXPECT_EQ(page.connectors_size(), 30);
  EXPECT_EQ(page.connectors(0).name(), made.name());
  list.set_page_token(page.next_page_token());
  EXPECT_EQ(Call(*connectors, &Connectors::ListConnectors, list)->connectors_size(), 20);
  pb::DeleteConnectorRequest remove;
  remove.set_name(made.name());
  ASSERT_OK(Call(*connectors, &Connectors::DeleteConnector, remove));
  EXPECT_THAT(Call(*connectors, &Connectors::DeleteConnector, remove),
              StatusIs(absl::StatusCode::kNotFound, made.name()));
}

}  // namespace
}  // namespace godwit::registry
