// What open watches, and watches that go on from a token, tell users who are limited to a scope of
// what is deleted and of what leaves or enters it.
#include <set>

#include "absl/time/clock.h"
#include "godwit/registry/v1/event_service.grpc.pb.h"
#include "tests/rpc/roles/scope_fixture.h"

namespace godwit::testing {
namespace {

using Events = registry::EventService::Stub;

class ScopeWatchTest : public ScopeTest {
 protected:
  // A watch of source servers that is open.
  class Watch {
   public:
    explicit Watch(const std::string& who, const std::string& since = "", bool show_deleted = true)
        : stub_(ServersOf(who)), token(since) {
      rpc::SetTimeout(context_, absl::Seconds(60));
      registry::WatchSourceServersRequest request;
      request.set_since(since);
      request.set_show_deleted(show_deleted);
      stream_ = stub_->WatchSourceServers(&context_, request);
    }
    ~Watch() { End().IgnoreError(); }
    // The name of the server whose state came; "-NAME": it is gone. "": the stream ended.
    std::string Next() {
      registry::SourceServer server;
      if (!stream_->Read(&server)) return "";
      if (!server.watch_token().empty()) token = server.watch_token();
      EXPECT_EQ(server.etag().empty(), server.deleted());
      return server.deleted() ? "-" + server.name() : server.name();
    }
    std::set<std::string> Next(int count) {
      std::set<std::string> names;
      for (int i = 0; i < count; ++i) names.insert(Next());
      return names;
    }
    absl::Status End() {
      if (ended_) return absl::OkStatus();
      ended_ = true;
      context_.TryCancel();
      registry::SourceServer server;
      while (stream_->Read(&server)) {
      }
      return rpc::FromGrpc(stream_->Finish());
    }
    // How it ended by itself, before anything came.
    absl::Status Refusal() {
      registry::SourceServer server;
      EXPECT_FALSE(stream_->Read(&server)) << server.ShortDebugString();
      ended_ = true;
      return rpc::FromGrpc(stream_->Finish());
    }

   private:
    std::unique_ptr<registry::SourceServerService::Stub> stub_;
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<registry::SourceServer>> stream_;
    bool ended_ = false;

   public:
    std::string token;
  };

  static void ExpectGone(const absl::Status& status) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange, "watch again without since"));
    EXPECT_EQ(Reason(status), "EVENTS_GONE");
  }
  static void Limit(const std::string& who, const std::vector<std::string>& applications,
                    const std::string& tag = "") {
    registry::Scope scope;
    scope.set_principal(who);
    for (const std::string& application : applications) scope.add_applications(application);
    if (!tag.empty()) scope.add_tags()->set_key(tag);
    ASSERT_OK(SetScope(scope));
  }
  static void Delete(const std::string& server) {
    registry::DeleteSourceServerRequest request;
    request.set_name(server);
    ASSERT_OK(Call(ServersOf(kAdmin), &Servers::DeleteSourceServer, request));
  }
  static void DeleteApplication(const std::string& application) {
    registry::DeleteGroupRequest request;
    request.set_name(application);
    request.set_request_id(NewUuid());
    ASSERT_OK(Call(FleetOf(kAdmin), &Fleet::DeleteApplication, request));
  }
  static void Touch(const std::string& server) {
    registry::UpdateSourceServerRequest update;
    update.mutable_source_server()->set_name(server);
    (*update.mutable_source_server()->mutable_tags())["touched"] =
        absl::StrCat(absl::ToUnixNanos(absl::Now()));
    update.mutable_update_mask()->add_paths("tags");
    ASSERT_OK(Call(ServersOf(kAdmin), &Servers::UpdateSourceServer, update));
  }
  static void Move(const std::string& application, const std::string& server, bool into) {
    registry::AssociateRequest request;
    request.set_request_id(NewUuid());
    request.set_name(application);
    request.add_members(server);
    ASSERT_OK(Call(FleetOf(kAdmin),
                   into ? &Fleet::AssociateSourceServers : &Fleet::DisassociateSourceServers,
                   request));
  }
  static std::string New(const std::string& title) {
    static int count = 0;
    const auto server = NewServer(absl::StrCat("watched ", title, " ", ++count));
    EXPECT_OK(server);
    return server.ok() ? *server : "";
  }
};

TEST_F(ScopeWatchTest, WhatIsDeletedOrLeavesTheScopeIsTold) {
  const std::string who = "user/viewer/watching-scope";
  const std::string one = New("one"), two = New("two"), three = New("three"), four = New("four"),
                    outside = New("outside");
  ASSERT_OK_AND_ASSIGN(const std::string first, NewApplication("Watched", {one, two, three}));
  ASSERT_OK_AND_ASSIGN(const std::string second, NewApplication("Watched too", {four}));
  Limit(who, {first});
  std::string before, token;
  {
    Watch watch(who);
    EXPECT_EQ(watch.Next(3), std::set<std::string>({one, two, three}));
    before = watch.token;
    EXPECT_NE(before, "");
    Delete(outside);
    Delete(one);
    EXPECT_EQ(watch.Next(), "-" + one) << "and nothing of the one outside";
    Move(first, two, /*into=*/false);
    EXPECT_EQ(watch.Next(), "-" + two);
    Touch(two);
    Touch(three);
    EXPECT_EQ(watch.Next(), three) << "the one that left is not shown any more";
    // No server of theirs changes.
    Limit(who, {second});
    EXPECT_EQ(watch.Next(2), std::set<std::string>({"-" + three, four}));
    Touch(three);
    Touch(four);
    EXPECT_EQ(watch.Next(), four);
    token = watch.token;
  }
  // What comes, changes and is deleted within the scope while nobody watches is told afterwards.
  const std::string five = New("five"), elsewhere = New("elsewhere"), brief = New("brief");
  Move(second, five, /*into=*/true);
  Move(second, brief, /*into=*/true);
  Delete(brief);
  Delete(elsewhere);
  Delete(four);
  {
    Watch watch(who, token);
    EXPECT_EQ(watch.Next(2), std::set<std::string>({five, "-" + four}));
    Touch(five);
    EXPECT_EQ(watch.Next(), five) << "what came and went meanwhile is not told";
    token = watch.token;
  }
  Watch again(who, token);
  Touch(five);
  EXPECT_EQ(again.Next(), five) << "nothing twice";
  // Of a scope that was another one nobody knows any more what was told.
  ExpectGone(Watch(who, before).Refusal());
  Limit(who, {first, second});
  ExpectGone(Watch(who, token).Refusal());
  ExpectGone(Watch(who, token, /*show_deleted=*/false).Refusal());
  EXPECT_EQ(again.Next(), three) << "the open one goes on with what came";
}

TEST_F(ScopeWatchTest, ALimitThatComesOrGoesIsFollowed) {
  const std::string who = "user/operator/limited-later";
  const std::string inside = New("inside"), outside = New("outside");
  ASSERT_OK_AND_ASSIGN(const std::string application, NewApplication("Later", {inside}));
  Watch watch(who);
  std::set<std::string> shown;
  while (!shown.contains(inside) || !shown.contains(outside)) shown.insert(watch.Next());
  while (watch.token.empty()) watch.Next();
  const std::string everything = watch.token;
  Limit(who, {application});
  std::set<std::string> gone;
  while (!gone.contains("-" + outside)) gone.insert(watch.Next());
  EXPECT_FALSE(gone.contains("-" + inside));
  ExpectGone(Watch(who, everything).Refusal());
  Touch(outside);
  Touch(inside);
  std::string next;
  do {
    next = watch.Next();
    EXPECT_NE(next, outside);
  } while (next != inside);
  const std::string limited = watch.token;
  registry::DeleteScopeRequest request;
  request.set_principal(who);
  ASSERT_OK(Call(ScopesOf(kAdmin), &Scopes::DeleteScope, request));
  do {
    next = watch.Next();
    EXPECT_NE(next, inside);
  } while (next != outside && !next.empty());
  EXPECT_EQ(next, outside);
  ExpectGone(Watch(who, limited).Refusal());
}

TEST_F(ScopeWatchTest, EventsOfDeletionsGoToThoseWhoReachedIt) {
  const std::string who = "user/viewer/reading-events";
  const std::string inside = New("inside"), outside = New("outside");
  ASSERT_OK_AND_ASSIGN(const std::string tagged,
                       NewServer("watched by tag", {{"watch-tag", "any"}}));
  ASSERT_OK_AND_ASSIGN(const std::string application, NewApplication("Events", {inside}));
  ASSERT_OK_AND_ASSIGN(const std::string other, NewApplication("Other events", {outside}));
  Limit(who, {application}, "watch-tag");
  const auto stub = registry::EventService::NewStub(As("registry", who));
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(60));
  const auto stream = stub->WatchEvents(&context, {});
  registry::WatchEventsResponse message;
  ASSERT_TRUE(stream->Read(&message));  // where it begins
  registry::ListEventsRequest since;
  since.set_since(message.token());

  for (const std::string& server : {outside, inside, tagged}) Delete(server);
  DeleteApplication(other);
  DeleteApplication(application);
  const std::vector<std::string> expected = {inside + " SERVER_DELETED", tagged + " SERVER_DELETED",
                                             application + " APPLICATION_DELETED"};
  std::vector<std::string> watched, listed;
  const auto text = [](const registry::Event& event) {
    return absl::StrCat(event.resource(), " ", registry::Event::Type_Name(event.type()));
  };
  while (watched.size() < expected.size() && stream->Read(&message)) {
    if (message.has_event()) watched.push_back(text(message.event()));
  }
  EXPECT_EQ(watched, expected);
  context.TryCancel();
  stream->Finish();
  ASSERT_OK_AND_ASSIGN(const auto list, Call(registry::EventService::NewStub(As("registry", who)),
                                             &Events::ListEvents, since));
  for (const registry::Event& event : list.events()) listed.push_back(text(event));
  EXPECT_EQ(listed, expected);
}

}  // namespace
}  // namespace godwit::testing
