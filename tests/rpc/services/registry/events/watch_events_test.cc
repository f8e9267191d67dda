// Events through the service: tokens over restarts and registries, slow readers, filters, refusals.
#include <random>
#include <thread>

#include "services/common/pg/connection.h"
#include "tests/rpc/services/registry/events/events_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Ids(const std::vector<pb::Event>& events) {
  std::vector<std::string> ids;
  for (const pb::Event& event : events) ids.push_back(event.id());
  return ids;
}

// A watch and what it read.
struct Watching {
  Watching(pb::EventService::Stub& stub, const pb::WatchEventsRequest& request,
           absl::Duration time = absl::Seconds(60)) {
    rpc::SetTimeout(context, time);
    stream = stub.WatchEvents(&context, request);
  }
  ~Watching() {
    if (ended) return;
    context.TryCancel();
    while (stream->Read(&message)) {
    }
  }
  absl::Status End() {
    while (stream->Read(&message)) {
    }
    ended = true;
    return rpc::FromGrpc(stream->Finish());
  }
  bool ended = false;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<pb::WatchEventsResponse>> stream;
  pb::WatchEventsResponse message;
};

TEST_F(EventsTest, GoOnFromATokenWhateverIsRestarted) {
  // A second registry on the same database.
  absl::StatusOr<std::unique_ptr<RegistryServer>> second =
      RegistryServer::Start(installation_->config, RealClock());
  ASSERT_OK(second);
  const auto tls = installation_->pki.Issue("user/operator/carol");
  const auto dial_second = [&] {
    return rpc::Dial(Endpoint((*second)->port()), ServiceNamed("registry"), tls);
  };
  const auto first_operator = Operator();
  const auto second_operator = pb::SourceServerService::NewStub(dial_second());
  const std::string start = Now(*EventsAs("user/viewer/bob"));
  std::vector<std::string> servers;
  for (int i = 0; i < 3; ++i) servers.push_back(NewServer(*second_operator));

  constexpr int kChanges = 150;
  std::atomic<bool> restarting = false;
  std::thread writer([&] {
    for (int i = 0; i < kChanges; ++i) {
      auto& stub = i % 2 == 0 && !restarting ? *first_operator : *second_operator;
      absl::Status changed = Change(stub, servers[i % servers.size()]);
      if (!changed.ok()) changed = Change(*second_operator, servers[i % servers.size()]);
      EXPECT_OK(changed);
    }
  });
  // Reads a few events, leaves, goes on at another registry from the last token.
  std::mt19937 random(7);
  std::vector<std::string> read;
  pb::WatchEventsRequest request;
  request.set_since(start);
  const std::size_t expected = servers.size() + kChanges;
  int watches = 0;
  const absl::Time give_up = absl::Now() + absl::Seconds(60);
  while (read.size() < expected && absl::Now() < give_up) {
    if (++watches == 4) {
      restarting = true;
      ASSERT_OK(StartRegistry());  // ends the present one first
    }
    const auto stub =
        watches % 2 == 0 ? EventsAs("user/viewer/bob") : pb::EventService::NewStub(dial_second());
    Watching watching(*stub, request);
    const std::size_t enough = std::min(expected, read.size() + 1 + random() % 40);
    while (read.size() < enough && watching.stream->Read(&watching.message)) {
      request.set_since(watching.message.token());
      if (watching.message.has_event()) read.push_back(watching.message.event().id());
    }
  }
  writer.join();
  const std::vector<pb::Event> all = EventsSince(*EventsAs("user/viewer/bob"), start);
  EXPECT_EQ(read, Ids(all));
  EXPECT_EQ(all.size(), expected);
  std::map<std::string, int> versions;
  for (const pb::Event& event : all) {
    EXPECT_EQ(event.etag(), absl::StrCat("v", ++versions[event.resource()]));
  }
  std::cout << read.size() << " events in order over " << watches << " watches" << std::endl;
  EXPECT_GE(watches, 5);
}

TEST_F(EventsTest, ASlowReaderHoldsNobodyAndLosesNothing) {
  const auto stub = EventsAs("user/viewer/bob");
  const auto operator_stub = Operator();
  pb::WatchEventsRequest request;
  request.set_since(Now(*stub));
  Watching slow(*stub, request);
  Watching fast(*stub, request);
  ASSERT_TRUE(slow.stream->Read(&slow.message));
  const std::string server = NewServer(*operator_stub);
  // More than what waits in memory for one stream, and than a window of its connection holds.
  constexpr int kMany = 600;
  {
    ASSERT_OK_AND_ASSIGN(const auto connection,
                         pg::Connection::Open(installation_->database->conninfo()));
    ASSERT_OK(connection->Run(absl::StrCat(
        "insert into registry.source_server_history (server_id, version, lifecycle, event,"
        " principal) select '",
        server.substr(14),
        "', v, 1, repeat('x', 400), 'user/operator/carol' from"
        " generate_series(2, ",
        kMany, ") v")));
  }
  std::vector<std::string> read, later;
  while (read.size() < kMany && fast.stream->Read(&fast.message)) {
    if (fast.message.has_event()) read.push_back(fast.message.event().id());
  }
  EXPECT_EQ(read.size(), static_cast<std::size_t>(kMany));
  while (later.size() < kMany && slow.stream->Read(&slow.message)) {
    if (slow.message.has_event()) later.push_back(slow.message.event().id());
  }
  EXPECT_EQ(later, read);
}

TEST_F(EventsTest, FirstAPlaceThenEventsAndHeartbeats) {
  const auto stub = EventsAs("user/viewer/bob");
  const auto operator_stub = Operator();
  const std::string watched = NewServer(*operator_stub), other = NewServer(*operator_stub);
  pb::WatchEventsRequest request;
  request.mutable_heartbeat_interval()->set_seconds(1);
  request.mutable_filter()->add_source_servers(watched);
  request.mutable_filter()->add_types(pb::Event::SERVER_CHANGED);
  Watching watching(*stub, request);
  ASSERT_TRUE(watching.stream->Read(&watching.message));
  EXPECT_FALSE(watching.message.has_event());
  const std::string begin = watching.message.token();
  EXPECT_FALSE(begin.empty());
  ASSERT_OK(Change(*operator_stub, other));
  ASSERT_OK(Change(*operator_stub, watched));
  // What does not pass the filter moves the token, too.
  do {
    ASSERT_TRUE(watching.stream->Read(&watching.message));
  } while (!watching.message.has_event());
  const pb::Event event = watching.message.event();
  EXPECT_EQ(event.resource(), watched);
  EXPECT_EQ(event.type(), pb::Event::SERVER_CHANGED);
  EXPECT_EQ(event.cause(), "UpdateSourceServer");
  EXPECT_EQ(event.principal(), "user/operator/carol");
  EXPECT_EQ(event.lifecycle_state(), pb::SourceServer::PENDING_INSTALLATION);
  EXPECT_EQ(event.token(), watching.message.token());
  const absl::Time before = absl::Now();
  ASSERT_OK(Change(*operator_stub, other));
  ASSERT_TRUE(watching.stream->Read(&watching.message));
  EXPECT_FALSE(watching.message.has_event());
  EXPECT_GT(absl::Now() - before, absl::Milliseconds(500));
  EXPECT_NE(watching.message.token(), event.token());
  EXPECT_THAT(Ids(EventsSince(*stub, begin)), ::testing::SizeIs(3));
  EXPECT_THAT(Ids(EventsSince(*stub, watching.message.token())), ::testing::IsEmpty());
}

TEST_F(EventsTest, WhatHappensToAServerAndToGroups) {
  const auto stub = EventsAs("user/viewer/bob");
  const std::string begin = Now(*stub);
  const auto operator_stub = Operator();
  const auto fleet = pb::FleetService::NewStub(ChannelAs("user/operator/carol"));
  pb::CreateApplicationRequest create;
  create.set_request_id(NewUuid());
  create.mutable_application()->set_display_name("shop");
  ASSERT_OK_AND_ASSIGN(const auto shop,
                       Call(*fleet, &pb::FleetService::Stub::CreateApplication, create));
  const std::string server = EnrolledServer();
  pb::ServerVerbRequest stop;
  stop.set_name(server);
  stop.set_request_id(NewUuid());
  ASSERT_OK(Call(*operator_stub, &pb::SourceServerService::Stub::StopReplication, stop));
  const std::string gone = NewServer(*operator_stub);
  pb::DeleteSourceServerRequest remove;
  remove.set_name(gone);
  ASSERT_OK(Call(*operator_stub, &pb::SourceServerService::Stub::DeleteSourceServer, remove));
  std::vector<std::string> seen;
  for (const pb::Event& event : EventsSince(*stub, begin)) {
    seen.push_back(absl::StrCat(pb::Event::Type_Name(event.type()), " ", event.display_name(), " ",
                                event.cause()));
  }
  ASSERT_EQ(seen.size(), 5u) << ::testing::PrintToString(seen);
  EXPECT_EQ(seen[0], "APPLICATION_CREATED shop ");
  EXPECT_EQ(seen[1], "SERVER_CREATED source.example Enroll");
  EXPECT_EQ(seen[2], "SERVER_STATE_CHANGED source.example StopReplication");
  EXPECT_THAT(seen[3], HasSubstr("SERVER_CREATED"));
  EXPECT_THAT(seen[4], HasSubstr("SERVER_DELETED"));
  pb::ListEventsRequest of_shop;
  of_shop.mutable_filter()->add_applications(shop.name());
  ASSERT_OK_AND_ASSIGN(const auto list, Call(*stub, &Events::ListEvents, of_shop));
  ASSERT_EQ(list.events_size(), 1);
  EXPECT_EQ(list.events(0).resource(), shop.name());
}

TEST_F(EventsTest, RefusesWhatItCannotGive) {
  const auto stub = EventsAs("user/viewer/bob");
  const auto operator_stub = Operator();
  const std::string old = Now(*stub);
  const std::string server = NewServer(*operator_stub);
  ASSERT_OK(Change(*operator_stub, server));
  pb::ListEventsRequest list;
  pb::WatchEventsRequest watch;
  for (const char* bad : {"x", "e1/1", "ZTEvMS8x", "ZTEvYWJj"}) {
    list.set_since(bad);
    watch.set_since(bad);
    EXPECT_THAT(Call(*stub, &Events::ListEvents, list),
                StatusIs(absl::StatusCode::kInvalidArgument, "since"));
    EXPECT_THAT(Watching(*stub, watch).End(),
                StatusIs(absl::StatusCode::kInvalidArgument, "since"));
  }
  watch.clear_since();
  watch.mutable_heartbeat_interval()->set_seconds(301);
  EXPECT_THAT(Watching(*stub, watch).End(),
              StatusIs(absl::StatusCode::kInvalidArgument, "heartbeat_interval"));
  watch.clear_heartbeat_interval();
  watch.mutable_filter()->add_source_servers("web1");
  EXPECT_THAT(Watching(*stub, watch).End(),
              StatusIs(absl::StatusCode::kInvalidArgument, "filter.source_servers[0]"));
  list.clear_since();
  list.mutable_filter()->add_types(pb::Event::TEST);
  EXPECT_THAT(Call(*stub, &Events::ListEvents, list),
              StatusIs(absl::StatusCode::kInvalidArgument, "filter.types[0]"));
  list.clear_filter();
  EXPECT_THAT(Call(*EventsAs("worker/w-0000000000000000b"), &Events::ListEvents, list),
              StatusIs(absl::StatusCode::kPermissionDenied, ""));

  // The oldest are gone: whoever was away for too long must list again, and is told so.
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       pg::Connection::Open(installation_->database->conninfo()));
  ASSERT_OK(connection->Run(
      "delete from registry.event where sequence < (select sequence from registry.event_head)"));
  list.set_since(old);
  const auto gone = Call(*stub, &Events::ListEvents, list);
  EXPECT_THAT(gone, StatusIs(absl::StatusCode::kOutOfRange, "list again"));
  EXPECT_EQ(rpc::GetInfo(gone.status()).reason, "EVENTS_GONE");
  pb::WatchEventsRequest late;
  late.set_since(old);
  EXPECT_THAT(Watching(*stub, late).End(), StatusIs(absl::StatusCode::kOutOfRange, "list again"));
  EXPECT_THAT(Ids(EventsSince(*stub, "")), ::testing::SizeIs(1));
  // Another history: tokens of before are refused, also where the numbers would fit.
  const std::string now = Now(*stub);
  ASSERT_OK(connection->Run("update registry.event_head set stream = gen_random_uuid()"));
  list.set_since(now);
  EXPECT_THAT(Call(*stub, &Events::ListEvents, list),
              StatusIs(absl::StatusCode::kOutOfRange, "restore"));
}

TEST_F(EventsTest, CommandLine) {
  const auto stub = EventsAs("user/viewer/bob");
  const auto operator_stub = Operator();
  const std::string begin = Now(*stub);
  const std::string server = NewServer(*operator_stub), other = NewServer(*operator_stub);
  ASSERT_OK(Change(*operator_stub, server));
  const cli::Ran table = Do("user/viewer/bob", {"events", "--since", begin});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("SERVER_CREATED"));
  EXPECT_THAT(table.out, HasSubstr("UpdateSourceServer by user/operator/carol"));
  EXPECT_THAT(table.err, HasSubstr("--since "));
  const cli::Ran one =
      Do("user/viewer/bob", {"events", "--since", begin, "--server", server, "--output=json"});
  std::vector<std::string> resources;
  for (const absl::string_view line : absl::StrSplit(one.out, '\n', absl::SkipEmpty())) {
    const auto event = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
    ASSERT_TRUE(event.is_object()) << line;
    resources.push_back(event["resource"].get<std::string>());
  }
  EXPECT_THAT(resources, ElementsAre(server, server)) << one.err;
  const cli::Ran typed =
      Do("user/viewer/bob", {"events", "--since", begin, "--type", "server-changed"});
  EXPECT_EQ(std::count(typed.out.begin(), typed.out.end(), '\n'), 1) << typed.out << typed.err;
  EXPECT_EQ(Do("user/viewer/bob", {"events", "--since", "nonsense"}).exit_code, cli::kUsage);
}

}  // namespace
}  // namespace godwit::registry
