// What UpdateSourceServer changes, and what it refuses.
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using Stub = pb::SourceServerService::Stub;

class ServerUpdateTest : public RegistryTest {
 protected:
  void SetUp() override { stub_ = pb::SourceServerService::NewStub(ChannelAs("user/operator/c")); }

  static pb::UpdateSourceServerRequest Of(const std::string& name, const std::string& path) {
    pb::UpdateSourceServerRequest request;
    request.mutable_source_server()->set_name(name);
    request.mutable_update_mask()->add_paths(path);
    return request;
  }
  absl::StatusOr<pb::SourceServer> Update(const pb::UpdateSourceServerRequest& request) {
    return Call(*stub_, &Stub::UpdateSourceServer, request);
  }
  absl::StatusOr<pb::SourceServer> SetId(const std::string& name, const std::string& id) {
    pb::UpdateSourceServerRequest request = Of(name, "user_provided_id");
    request.mutable_source_server()->set_user_provided_id(id);
    return Update(request);
  }
  void ExpectRefused(const absl::Status& status, absl::StatusCode code, const std::string& reason) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(rpc::GetInfo(status).reason, reason) << status;
  }

  std::unique_ptr<Stub> stub_;
};

TEST_F(ServerUpdateTest, NotesIdAndReplicationType) {
  const std::string name = EnrolledServer();
  pb::UpdateSourceServerRequest all = Of(name, "notes");
  pb::ServerNotes& notes = *all.mutable_source_server()->mutable_notes();
  notes.set_action_fqdn("shop.example.org");
  notes.set_platform("linux");
  notes.set_connector("connectors/connector-0123456789abcdefG");
  notes.set_credentials_arn("arn:example:secret:0123");
  ASSERT_OK_AND_ASSIGN(const pb::SourceServer noted, Update(all));
  EXPECT_EQ(noted.notes().DebugString(), notes.DebugString());
  EXPECT_EQ(Get(name).notes().DebugString(), notes.DebugString());
  EXPECT_EQ(noted.replication_type(), pb::SourceServer::AGENT_BASED);

  // One alone; the others stay, as does what the mask does not name.
  pb::UpdateSourceServerRequest one = Of(name, "notes.platform");
  one.mutable_source_server()->mutable_notes()->set_platform("windows");
  (*one.mutable_source_server()->mutable_tags())["not"] = "named";
  ASSERT_OK_AND_ASSIGN(const pb::SourceServer changed, Update(one));
  EXPECT_EQ(changed.notes().platform(), "windows");
  EXPECT_EQ(changed.notes().action_fqdn(), "shop.example.org");
  EXPECT_TRUE(changed.tags().empty());
  one.mutable_source_server()->mutable_notes()->set_platform("solaris");
  EXPECT_THAT(Update(one), StatusIs(absl::StatusCode::kInvalidArgument, "notes.platform"));
  pb::UpdateSourceServerRequest bad = Of(name, "notes.connector");
  bad.mutable_source_server()->mutable_notes()->set_connector("connectors/connector-1");
  EXPECT_THAT(Update(bad), StatusIs(absl::StatusCode::kInvalidArgument, "notes.connector"));
  bad = Of(name, "notes.credentials_arn");
  bad.mutable_source_server()->mutable_notes()->set_credentials_arn("short");
  EXPECT_THAT(Update(bad), StatusIs(absl::StatusCode::kInvalidArgument, "credentials_arn"));
  for (const char* path : {"archived", "notes.nonsense", "notes.", "*", ""}) {
    EXPECT_THAT(Update(Of(name, path)), StatusIs(absl::StatusCode::kInvalidArgument, "update_mask"))
        << path;
  }
  pb::UpdateSourceServerRequest none;
  none.mutable_source_server()->set_name(name);
  EXPECT_THAT(Update(none), StatusIs(absl::StatusCode::kInvalidArgument, "update_mask"));

  // Replication type: the one there is.
  pb::UpdateSourceServerRequest type = Of(name, "replication_type");
  type.mutable_source_server()->set_replication_type(pb::SourceServer::AGENT_BASED);
  EXPECT_OK(Update(type));
  type.mutable_source_server()->set_replication_type(pb::SourceServer::SNAPSHOT_SHIPPING);
  ExpectRefused(Update(type).status(), absl::StatusCode::kFailedPrecondition, "AGENT_ONLY");

  // The id: as long as no agent enrolled with one.
  pb::CreateSourceServerRequest create;
  create.set_request_id(NewUuid());
  create.set_user_provided_id("imported");
  ASSERT_OK_AND_ASSIGN(const pb::SourceServer imported,
                       Call(*stub_, &Stub::CreateSourceServer, create));
  ExpectRefused(SetId(name, "imported").status(), absl::StatusCode::kAlreadyExists,
                "USER_PROVIDED_ID_TAKEN");
  ASSERT_OK(SetId(imported.name(), "renamed"));
  ExpectRefused(SetId(imported.name(), "").status(), absl::StatusCode::kFailedPrecondition,
                "USER_PROVIDED_ID_REQUIRED");
  ASSERT_OK(SetId(name, "imported"));
  EXPECT_EQ(Get(name).user_provided_id(), "imported");
  ASSERT_OK(SetId(name, "imported"));  // the same
  ExpectRefused(SetId(name, "other").status(), absl::StatusCode::kFailedPrecondition,
                "USER_PROVIDED_ID_IMMUTABLE");
  // Sent twice, done once.
  pb::UpdateSourceServerRequest once = Of(name, "notes.platform");
  once.set_request_id(NewUuid());
  once.mutable_source_server()->set_etag(Get(name).etag());
  ASSERT_OK_AND_ASSIGN(const pb::SourceServer first, Update(once));
  ASSERT_OK_AND_ASSIGN(const pb::SourceServer again, Update(once));
  EXPECT_EQ(first.etag(), again.etag());
  EXPECT_EQ(first.notes().platform(), "");
}

}  // namespace
}  // namespace godwit::registry
