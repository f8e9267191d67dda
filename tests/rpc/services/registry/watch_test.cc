#include "services/common/pg/connection.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using Stub = pb::SourceServerService::Stub;

class WatchTest : public RegistryTest {
 protected:
  void SetUp() override {
    viewer_ = pb::SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
    operator_ = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
  }
  void Tag(const std::string& name, const std::string& value) {
    pb::UpdateSourceServerRequest update;
    update.mutable_source_server()->set_name(name);
    (*update.mutable_source_server()->mutable_tags())["tag"] = value;
    update.mutable_update_mask()->add_paths("tags");
    ASSERT_OK(Call(*operator_, &Stub::UpdateSourceServer, update));
  }
  static absl::Status StatusOf(const grpc::Status& status) { return rpc::FromGrpc(status); }

  std::unique_ptr<Stub> viewer_, operator_;
};

TEST_F(WatchTest, PresentStateThenEveryChange) {
  const std::string watched = EnrolledServer();
  const std::string other = EnrolledServer();
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(30));
  pb::WatchSourceServersRequest request;
  request.add_names(watched);
  const auto stream = viewer_->WatchSourceServers(&context, request);
  pb::SourceServer server;
  ASSERT_TRUE(stream->Read(&server));
  EXPECT_EQ(server.name(), watched);
  EXPECT_EQ(server.tags().count("tag"), 0u);
  Tag(other, "not for this watcher");
  for (const char* value : {"one", "two", "three"}) {
    Tag(watched, value);
    ASSERT_TRUE(stream->Read(&server));
    EXPECT_EQ(server.name(), watched);
    EXPECT_EQ(server.tags().at("tag"), value);
  }
  context.TryCancel();
  while (stream->Read(&server)) {
  }
  EXPECT_EQ(StatusOf(stream->Finish()).code(), absl::StatusCode::kCancelled);
}

TEST_F(WatchTest, AllServersAndNewOnes) {
  EnrolledServer();
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(30));
  const auto stream = viewer_->WatchSourceServers(&context, pb::WatchSourceServersRequest());
  pb::SourceServer server;
  ASSERT_TRUE(stream->Read(&server));
  const std::string late = EnrolledServer();
  while (server.name() != late) ASSERT_TRUE(stream->Read(&server));
}

TEST_F(WatchTest, EndsWhenTheRegistryOrTheDatabaseGoes) {
  const std::string name = EnrolledServer();
  pb::SourceServer server;
  {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(30));
    const auto stream = viewer_->WatchSourceServers(&context, pb::WatchSourceServersRequest());
    ASSERT_TRUE(stream->Read(&server));
    // Databases of tests commit lazily; this commit writes the ones before it down too.
    ASSERT_OK_AND_ASSIGN(const auto connection,
                         pg::Connection::Open(installation_->database->conninfo()));
    ASSERT_OK(connection->Run("SET synchronous_commit = on; CREATE TABLE written_down ()"));
    ASSERT_OK(installation_->database->Stop());
    while (stream->Read(&server)) {
    }
    EXPECT_THAT(StatusOf(stream->Finish()),
                ::godwit::testing::StatusIs(absl::StatusCode::kUnavailable, "watch again"));
    ASSERT_OK(installation_->database->Restart());
  }
  // As the error said: watching again works once the database is back, without a restart.
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientReader<pb::SourceServer>> stream;
  pb::WatchSourceServersRequest request;
  request.add_names(name);
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  do {
    stream.reset();
    context = std::make_unique<grpc::ClientContext>();
    rpc::SetTimeout(*context, absl::Seconds(30));
    stream = viewer_->WatchSourceServers(context.get(), request);
  } while (!stream->Read(&server) && absl::Now() < give_up);
  ASSERT_LT(absl::Now(), give_up);
  EXPECT_EQ(server.name(), name);
  const absl::Time start = absl::Now();
  installation_->registry.reset();
  EXPECT_LT(absl::Now() - start, absl::Seconds(4));
  while (stream->Read(&server)) {
  }
  EXPECT_EQ(StatusOf(stream->Finish()).code(), absl::StatusCode::kUnavailable);
  ASSERT_OK(StartRegistry());
}

TEST_F(WatchTest, RefusesStrangersAndUnknownNames) {
  pb::SourceServer server;
  pb::WatchSourceServersRequest request;
  request.add_names("sourceServers/s-00000000000000000");
  {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(30));
    const auto stream = viewer_->WatchSourceServers(&context, request);
    EXPECT_FALSE(stream->Read(&server));
    EXPECT_EQ(StatusOf(stream->Finish()).code(), absl::StatusCode::kNotFound);
  }
  request.add_names("nonsense");
  {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(30));
    const auto stream = viewer_->WatchSourceServers(&context, request);
    EXPECT_FALSE(stream->Read(&server));
    EXPECT_THAT(StatusOf(stream->Finish()),
                ::godwit::testing::StatusIs(absl::StatusCode::kInvalidArgument, "names[1]"));
  }
  {
    const auto agent = pb::SourceServerService::NewStub(ChannelAs("agent/s-00000000000000000"));
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(30));
    const auto stream = agent->WatchSourceServers(&context, pb::WatchSourceServersRequest());
    EXPECT_FALSE(stream->Read(&server));
    EXPECT_EQ(StatusOf(stream->Finish()).code(), absl::StatusCode::kPermissionDenied);
  }
}

}  // namespace
}  // namespace godwit::registry
