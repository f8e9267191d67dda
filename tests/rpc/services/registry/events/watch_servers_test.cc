// WatchSourceServers from token to token: over registries that are killed, deletions, slow readers,
// and tokens that are too old.
#include <algorithm>
#include <random>
#include <thread>

#include "services/common/pg/connection.h"
#include "tests/rpc/services/registry/events/events_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Servers = pb::SourceServerService::Stub;

class WatchServersTest : public EventsTest {
 protected:
  void TearDown() override { EXPECT_OK(StartRegistry()); }

  static absl::Status Delete(Servers& stub, const std::string& name) {
    pb::DeleteSourceServerRequest request;
    request.set_name(name);
    return Call(stub, &Servers::DeleteSourceServer, request).status();
  }
  static std::unique_ptr<Servers> At(int port) {
    return pb::SourceServerService::NewStub(rpc::Dial(Endpoint(port), ServiceNamed("registry"),
                                                      installation_->pki.Issue("user/viewer/bob")));
  }
  static std::int64_t VersionOf(const pb::SourceServer& server) {
    std::int64_t version = 0;
    EXPECT_TRUE(absl::SimpleAtoi(absl::string_view(server.etag()).substr(1), &version))
        << server.etag();
    return version;
  }
  static void Sql(const std::string& text) {
    ASSERT_OK_AND_ASSIGN(const auto connection,
                         pg::Connection::Open(installation_->database->conninfo()));
    ASSERT_OK(connection->Run(text));
  }
};

// A watch of servers and the token it has come to.
struct ServerWatch {
  ServerWatch(Servers& stub, const pb::WatchSourceServersRequest& request)
      : token(request.since()) {
    rpc::SetTimeout(context, absl::Seconds(60));
    stream = stub.WatchSourceServers(&context, request);
  }
  ~ServerWatch() {
    if (ended) return;
    context.TryCancel();
    End().IgnoreError();
  }
  bool Read() {
    if (!stream->Read(&server)) return false;
    if (!server.watch_token().empty()) token = server.watch_token();
    return true;
  }
  absl::Status End() {
    while (stream->Read(&server)) {
    }
    ended = true;
    return rpc::FromGrpc(stream->Finish());
  }
  bool ended = false;
  std::string token;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<pb::SourceServer>> stream;
  pb::SourceServer server;
};

TEST_F(WatchServersTest, NothingTwiceAndNothingLostOverKilledRegistries) {
  Registry programs[2];
  StartProgram("first", "", programs[0]);
  StartProgram("second", "", programs[1]);
  if (HasFatalFailure()) return;
  const auto stub = Operator();
  constexpr int kServers = 12, kChanges = 240;
  std::vector<std::string> names;
  for (int i = 0; i < kServers; ++i) names.push_back(NewServer(*stub));
  std::map<std::string, std::int64_t> versions;  // what there is in the end; -1: deleted
  for (const std::string& name : names) versions[name] = 1;
  constexpr int kKills = 3, kMostChanges = 20'000;
  std::atomic<bool> written = false;
  std::atomic<int> kills = 0;
  std::thread writer([&] {
    std::mt19937 random(3);
    for (int i = 0; i < kChanges || (kills < kKills && i < kMostChanges); ++i) {
      const std::string& name = names[random() % names.size()];
      if (versions[name] < 0) continue;
      if (i < kChanges && i % 40 == 39) {
        EXPECT_OK(Delete(*stub, name));
        versions[name] = -1;
      } else {
        EXPECT_OK(Change(*stub, name));
        ++versions[name];
      }
    }
    // One more comes after the reader can know that nothing follows: it never waits in vain.
    const auto last = std::find_if(names.begin(), names.end(),
                                   [&](const std::string& name) { return versions[name] > 0; });
    if (last != names.end()) ++versions[*last];
    written = true;
    if (last != names.end()) EXPECT_OK(Change(*stub, *last));
  });

  std::mt19937 random(11);
  std::map<std::string, std::int64_t> seen;
  pb::WatchSourceServersRequest request;
  request.set_show_deleted(true);
  int watches = 0, messages = 0;
  const absl::Time give_up = absl::Now() + absl::Seconds(90);
  while ((!written || seen != versions) && absl::Now() < give_up) {
    Registry& program = programs[++watches % 2];
    const auto there = At(program.port);
    ServerWatch watch(*there, request);
    const int enough = 1 + static_cast<int>(random() % 20);
    for (int i = 0; i < enough && watch.Read(); ++i) {
      ++messages;
      const std::string& name = watch.server.name();
      if (!versions.contains(name)) continue;  // of another test
      std::int64_t& known = seen[name];
      ASSERT_GE(known, 0) << name << " after it was deleted";
      if (watch.server.deleted()) {
        known = -1;
      } else {
        ASSERT_GT(VersionOf(watch.server), known) << name << " came twice, watch " << watches;
        known = VersionOf(watch.server);
      }
      if (written && seen == versions) break;
    }
    request.set_since(watch.token);
    // Before a token came the next watch begins anew: so does the count.
    if (request.since().empty()) seen.clear();
    if (watches % 4 == 0) {
      program.process.Signal(SIGKILL);
      EXPECT_EQ(watch.End().code(), absl::StatusCode::kUnavailable);
      StartProgram(watches % 2 == 0 ? "first" : "second", "", program);
      if (HasFatalFailure()) break;
      ++kills;
    }
  }
  writer.join();
  EXPECT_EQ(seen, versions);
  std::cout << messages << " states over " << watches << " watches, " << kills << " kills"
            << std::endl;
  EXPECT_GE(kills, kKills);
}

TEST_F(WatchServersTest, GoesOnAfterAToken) {
  const auto stub = Operator();
  const auto viewer = pb::SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
  const std::string one = NewServer(*stub), two = NewServer(*stub), three = NewServer(*stub);
  pb::WatchSourceServersRequest request;
  for (const std::string& name : {one, two, three}) request.add_names(name);
  {
    ServerWatch watch(*viewer, request);
    std::vector<bool> with_token;
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(watch.Read());
      with_token.push_back(!watch.server.watch_token().empty());
    }
    EXPECT_THAT(with_token, ElementsAre(false, false, true)) << "the states of one instant";
    request.set_since(watch.token);
  }
  const std::string start = request.since();
  ASSERT_OK(Change(*stub, two));
  ASSERT_OK(Change(*stub, three));
  ASSERT_OK(Change(*stub, two));
  ASSERT_OK(Delete(*stub, one));
  {
    ServerWatch watch(*viewer, request);
    ASSERT_TRUE(watch.Read());
    EXPECT_EQ(watch.server.name(), three) << "in the order of the last changes";
    ASSERT_TRUE(watch.Read());
    EXPECT_EQ(watch.server.name(), two);
    EXPECT_EQ(watch.server.etag(), "v3") << "the newest state alone";
    request.set_since(watch.token);
  }
  // Deletions are told to whom asks for them; what was read does not come again.
  request.set_show_deleted(true);
  ServerWatch watch(*viewer, request);
  ASSERT_TRUE(watch.Read());
  EXPECT_EQ(watch.server.name(), one);
  EXPECT_TRUE(watch.server.deleted());
  EXPECT_EQ(watch.server.etag(), "");
  ASSERT_OK(Change(*stub, three));
  ASSERT_TRUE(watch.Read());
  EXPECT_EQ(watch.server.name(), three);
  // The same token gives the same again.
  request.set_since(start);
  ServerWatch again(*viewer, request);
  std::vector<std::string> names;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(again.Read());
    names.push_back(again.server.name());
  }
  EXPECT_THAT(names, ElementsAre(two, one, three));
}

TEST_F(WatchServersTest, ATokenThatIsTooOldOrOfAnotherTimeIsRefused) {
  const auto stub = Operator();
  const auto viewer = pb::SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
  const std::string name = NewServer(*stub);
  pb::WatchSourceServersRequest request;
  request.add_names(name);
  {
    ServerWatch watch(*viewer, request);
    ASSERT_TRUE(watch.Read());
    request.set_since(watch.token);
  }
  ASSERT_OK(Change(*stub, name));
  ASSERT_OK(Change(*stub, name));
  Sql("delete from registry.event where sequence < (select max(sequence) from registry.event)");
  {
    ServerWatch watch(*viewer, request);
    const absl::Status refused = watch.End();
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kOutOfRange, "not kept any more"));
    EXPECT_EQ(rpc::GetInfo(refused).reason, "EVENTS_GONE");
  }
  request.clear_since();
  ServerWatch present(*viewer, request);
  ASSERT_TRUE(present.Read());
  EXPECT_EQ(present.server.etag(), "v3");
  request.set_since(present.token);
  // What watches meanwhile is told to watch again.
  Sql("update registry.event_head set stream = gen_random_uuid()");
  EXPECT_THAT(present.End(), StatusIs(absl::StatusCode::kUnavailable, "watch again"));
  {
    ServerWatch watch(*viewer, request);
    EXPECT_THAT(watch.End(), StatusIs(absl::StatusCode::kOutOfRange, "restore"));
  }
  request.set_since("nonsense");
  ServerWatch watch(*viewer, request);
  EXPECT_THAT(watch.End(), StatusIs(absl::StatusCode::kInvalidArgument, "since"));
}

}  // namespace
}  // namespace godwit::registry
