// WatchReplications of large fleets, of what goes, and of what users who are limited to a scope
// see.
#include <map>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tests/rpc/services/replication/coordinator/coordinator_fixture.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;

// Scopes as the test sets them.
class SetScopes final : public rpc::ScopeSource {
 public:
  absl::StatusOr<std::shared_ptr<const rpc::Scope>> Find(const std::string& principal,
                                                         const std::vector<std::string>&) override {
    absl::MutexLock lock(&mutex_);
    const auto found = scopes_.find(principal);
    return found == scopes_.end() ? nullptr : found->second;
  }
  void Set(const std::string& principal, const std::vector<std::string>& ids) {
    auto scope = std::make_shared<rpc::Scope>();
    scope->principal = principal;
    for (const std::string& id : ids) scope->names.insert("sourceServers/" + id);
    absl::MutexLock lock(&mutex_);
    scopes_[principal] = scope;
  }

 private:
  absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const rpc::Scope>> scopes_ ABSL_GUARDED_BY(mutex_);
};

std::string Id(int number) { return absl::StrCat("s-", absl::Hex(number, absl::kZeroPad17)); }

class WatchTest : public CoordinatorTest {
 protected:
  static constexpr char kBob[] = "user/viewer/bob";

  void SetUp() override {
    CoordinatorTest::SetUp();
    if (HasFatalFailure()) return;
    // One connection, so that its prepared statements are all that there are.
    one_ = std::make_unique<pg::Pool>(
        pg::Pool::Options{.conninfo = database_->conninfo(), .max_connections = 1});
    watched_handler_ = MakeReplicationHandler(*one_, *servers_, *points_, *verifications_);
    ASSERT_OK_AND_ASSIGN(
        watched_, rpc::Server::Start({.listen = "127.0.0.1:0", .tls = tls_, .scopes = &set_scopes_},
                                     {watched_handler_->service()}));
    alice_ = StubOf("user/admin/alice");
    bob_ = StubOf(kBob);
  }
  void TearDown() override {
    if (watched_handler_ != nullptr) watched_handler_->Stop();
    if (watched_ != nullptr) watched_->Stop();
    CoordinatorTest::TearDown();
  }
  std::unique_ptr<Operator> StubOf(const std::string& principal) {
    return pb::ReplicationService::NewStub(rpc::Dial(absl::StrCat("127.0.0.1:", watched_->port()),
                                                     *rpc::ParsePrincipal("service/replication"),
                                                     pki_.Issue(principal)));
  }
  void Run(const std::string& sql) {
    auto connection = pool_->Acquire();
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Run(sql));
  }
  // Paused ones, which nobody judges, so that nothing changes by itself; each with a disk.
  void Make(int first, int last) {
    Run(
        absl::StrCat("insert into replication.server (id, wish, state)"
                     " select 's-' || lpad(to_hex(n), 17, '0'), 2, 7 from generate_series(",
                     first, ", ", last,
                     ") n; insert into replication.disk (server_id, disk_id, ordinal, device_name,"
                     " size_bytes, is_boot_disk) select s.id, 'd-00000000000000001', 0, '/dev/sda',"
                     " 1048576, true from replication.server s on conflict do nothing"));
  }
  void Touch(int number) {
    Run(absl::StrCat("update replication.server set update_time = clock_timestamp() where id = '",
                     Id(number), "'"));
  }
  // How often the statements of the watches' connection ran.
  std::map<std::string, std::int64_t> Statements() {
    constexpr pg::Statement kStatements = {
        "statements", "select name, generic_plans + custom_plans from pg_prepared_statements"};
    std::map<std::string, std::int64_t> out;
    auto connection = one_->Acquire();
    EXPECT_OK(connection);
    const auto found = (*connection)->Exec(kStatements);
    EXPECT_OK(found);
    for (int row = 0; row < found->rows(); ++row) {
      out[std::string(found->Text(row, 0))] = found->Int(row, 1);
    }
    return out;
  }

  // A stream that is open.
  class Watch {
   public:
    Watch(Operator& stub, const std::string& since, bool show_deleted = true) {
      rpc::SetTimeout(context_, absl::Seconds(60));
      pb::WatchReplicationsRequest request;
      request.set_since(since);
      request.set_show_deleted(show_deleted);
      stream_ = stub.WatchReplications(&context_, request);
      token = since;
    }
    ~Watch() {
      context_.TryCancel();
      stream_->Finish();
    }
    // "s-...": its state came; "-s-...": it is gone. "": the stream ended.
    std::string Next() {
      if (!stream_->Read(&last)) return "";
      if (!last.watch_token().empty()) token = last.watch_token();
      const std::string id = last.name().substr(sizeof "sourceServers/" - 1, 19);
      EXPECT_EQ(last.disks_size(), last.deleted() ? 0 : 1) << id;
      return last.deleted() ? "-" + id : id;
    }
    std::set<std::string> Next(int count) {
      std::set<std::string> ids;
      for (int i = 0; i < count; ++i) ids.insert(Next());
      return ids;
    }

    std::string token;
    pb::Replication last;

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<pb::Replication>> stream_;
  };
  // How a watch ends that goes on from `since`.
  absl::Status Refused(Operator& stub, const std::string& since, bool show_deleted = true) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(60));
    pb::WatchReplicationsRequest request;
    request.set_since(since);
    request.set_show_deleted(show_deleted);
    const auto stream = stub.WatchReplications(&context, request);
    pb::Replication seen;
    const bool came = stream->Read(&seen);
    EXPECT_FALSE(came) << seen.ShortDebugString();
    if (came) context.TryCancel();  // else it has ended by itself, and says why
    return rpc::FromGrpc(stream->Finish());
  }
  void ExpectGone(const absl::Status& status) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange, "watch again without since"));
    EXPECT_EQ(rpc::GetInfo(status).reason, "STATE_GONE");
  }

  SetScopes set_scopes_;
  std::unique_ptr<pg::Pool> one_;
  std::unique_ptr<Handler> watched_handler_;
  std::unique_ptr<rpc::Server> watched_;
  std::unique_ptr<Operator> alice_, bob_;
};

TEST_F(WatchTest, ManyThatChangedCostFewStatements) {
  constexpr int kServers = 1200;
  Make(1, kServers);
  std::set<std::string> all;
  for (int n = 1; n <= kServers; ++n) all.insert(Id(n));
  Watch watch(*alice_, "");
  EXPECT_EQ(watch.Next(kServers), all);
  std::map<std::string, std::int64_t> ran = Statements();
  // In batches of 500.
  EXPECT_EQ(ran["server_list_within"], 3);
  EXPECT_EQ(ran["server_disks"], 3);
  EXPECT_EQ(ran.count("server_load"), 0u);

  Run("update replication.server set update_time = clock_timestamp(), state = 6");
  EXPECT_EQ(watch.Next(kServers), all);
  EXPECT_EQ(watch.last.state(), pb::Replication::CONTINUOUS);
  ran = Statements();
  EXPECT_EQ(ran["server_list_within"], 6) << "one transaction is seen as a whole";
  EXPECT_EQ(ran["server_disks"], 6);
  // A limited user's are as few.
  set_scopes_.Set(kBob, {all.begin(), all.end()});
  Watch limited(*bob_, "");
  EXPECT_EQ(limited.Next(kServers), all);
  EXPECT_EQ(Statements()["server_list_within"], 9);
}

TEST_F(WatchTest, WhatGoesIsTold) {
  Make(1, 3);
  std::string before, after;
  {
    Watch watch(*alice_, "");
    watch.Next(3);
    before = watch.token;
    Run(absl::StrCat("delete from replication.server where id = '", Id(2), "'"));
    EXPECT_EQ(watch.Next(), "-" + Id(2));
    after = watch.token;
    Touch(1);
    EXPECT_EQ(watch.Next(), Id(1)) << "told once";
    Make(4, 4);
    EXPECT_EQ(watch.Next(), Id(4)) << "a new one comes once";
    Touch(3);
    EXPECT_EQ(watch.Next(), Id(3));
  }
  {
    Watch later(*alice_, after);
    EXPECT_EQ(later.Next(3), std::set<std::string>({Id(1), Id(3), Id(4)})) << "what came after it";
  }
  // What went meanwhile is not known any more.
  ExpectGone(Refused(*alice_, before));
  // Who does not ask for it goes on.
  Watch carefree(*alice_, before, /*show_deleted=*/false);
  EXPECT_EQ(carefree.Next(3), std::set<std::string>({Id(1), Id(3), Id(4)}));
  Run(absl::StrCat("delete from replication.server where id = '", Id(3), "'"));
  Touch(4);
  EXPECT_EQ(carefree.Next(), Id(4)) << "the one that went is not told";
}

TEST_F(WatchTest, LimitedUsersAreToldWhatLeavesAndEntersTheirScope) {
  Make(1, 5);
  set_scopes_.Set(kBob, {Id(1), Id(2)});
  std::string token, old;
  {
    Watch watch(*bob_, "");
    EXPECT_EQ(watch.Next(2), std::set<std::string>({Id(1), Id(2)}));
    old = watch.token;
    // Nothing of what others have, whether it changes, comes or goes.
    Touch(3);
    Run(absl::StrCat("delete from replication.server where id = '", Id(5), "'"));
    Make(6, 6);
    Touch(1);
    EXPECT_EQ(watch.Next(), Id(1));
    // 4 did not change, and 7 is not there at all.
    set_scopes_.Set(kBob, {Id(2), Id(4), Id(7)});
    EXPECT_EQ(watch.Next(2), std::set<std::string>({"-" + Id(1), Id(4)}));
    Touch(1);
    Run(absl::StrCat("delete from replication.server where id = '", Id(2), "'"));
    EXPECT_EQ(watch.Next(), "-" + Id(2));
    token = watch.token;
  }
  // With the same scope the token counts, whatever went elsewhere meanwhile.
  Run(absl::StrCat("delete from replication.server where id = '", Id(1), "'"));
  Touch(4);
  {
    Watch watch(*bob_, token);
    EXPECT_EQ(watch.Next(), Id(4));
    token = watch.token;
  }
  ExpectGone(Refused(*bob_, old));
  // Another one's token, and one of the time before the limit.
  std::string everything;
  {
    Watch watch(*alice_, "");
    watch.Next(3);
    everything = watch.token;
  }
  ExpectGone(Refused(*bob_, everything));
  ExpectGone(Refused(*bob_, everything, /*show_deleted=*/false));
  ExpectGone(Refused(*alice_, token, /*show_deleted=*/false));
  // Something came into the scope, and went out of it, while nobody watched.
  set_scopes_.Set(kBob, {Id(4), Id(6)});
  ExpectGone(Refused(*bob_, token));
  ExpectGone(Refused(*bob_, token, /*show_deleted=*/false));
  set_scopes_.Set(kBob, {});
  ExpectGone(Refused(*bob_, token));
}

}  // namespace
}  // namespace godwit::coordinator
