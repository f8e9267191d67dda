#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/pool.h"
#include "services/registry/storage/mutation.h"
#include "services/registry/storage/outbox.h"
#include "services/registry/storage/server_store.h"
#include "services/registry/storage/token_store.h"
#include "tests/pg/services/registry/store_fixture.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry::storage {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;

class StoreTest : public StoreFixture {
 protected:
  SourceServer NewServer(Lifecycle lifecycle = Lifecycle::kReadyForTest) {
    const auto server = InsertServer(connection(),
                                     {.id = NewId("s-"),
                                      .lifecycle = lifecycle,
                                      .public_key_hash = NewUuid(),
                                      .certificate_generation = 1,
                                      .tags = R"({"tags": {"a": "b"}})"},
                                     {.event = "Enroll", .principal = "agent/x"});
    EXPECT_OK(server);
    return server.ok() ? *server : SourceServer();
  }
  absl::StatusOr<SourceServer> Save(const SourceServer& server) {
    return SaveServer(connection(), server, {.event = "Test", .principal = "user/admin/a"});
  }
};

TEST_F(StoreTest, EverythingOfAServerGoesRound) {
  SourceServer server = NewServer();
  EXPECT_EQ(server.version, 1);
  const absl::Time time = absl::FromUnixMicros(1'780'000'000'123'456);
  server.lifecycle = Lifecycle::kCutover;
  server.state_time = time;
  server.archived = true;
  server.user_provided_id = "it's; \"quoted\"";
  server.last_test = {.job = "job-1", .initiate = time, .finalize = time + absl::Seconds(1)};
  server.last_cutover = {.job = "job-2", .initiate = time, .revert = time + absl::Seconds(2)};
  server.launch_job = "job-2";
  server.launch_status = LaunchStatus::kLaunched;
  server.certificate_generation = 7;
  server.renewal_hash = "abc";
  server.identity_revoked = true;
  server.properties = R"({"hostname": "h"})";
  server.machine = R"({"machineId": "m"})";
  server.replication_settings = R"({"laneCount": 2})";
  server.launch_settings = R"({"cpuCount": 4})";
  server.enroll_time = time;
  ASSERT_OK(Save(server));
  ASSERT_OK_AND_ASSIGN(const SourceServer read, GetServer(connection(), server.id));
  EXPECT_EQ(read.version, 2);
  EXPECT_EQ(read.lifecycle, server.lifecycle);
  EXPECT_EQ(read.state_time, time);
  EXPECT_TRUE(read.archived);
  EXPECT_EQ(read.user_provided_id, server.user_provided_id);
  EXPECT_EQ(read.last_test.job, "job-1");
  EXPECT_EQ(read.last_test.initiate, time);
  EXPECT_EQ(read.last_test.finalize, time + absl::Seconds(1));
  EXPECT_EQ(read.last_test.revert, std::nullopt);
  EXPECT_EQ(read.last_cutover.revert, time + absl::Seconds(2));
  EXPECT_EQ(read.launch_job, "job-2");
  EXPECT_EQ(read.launch_status, LaunchStatus::kLaunched);
  EXPECT_EQ(read.public_key_hash, server.public_key_hash);
  EXPECT_EQ(read.certificate_generation, 7);
  EXPECT_EQ(read.renewal_hash, "abc");
  EXPECT_TRUE(read.identity_revoked);
  EXPECT_EQ(read.properties, server.properties);
  EXPECT_EQ(read.machine, server.machine);
  EXPECT_EQ(read.tags, server.tags);
  EXPECT_EQ(read.replication_settings, server.replication_settings);
  EXPECT_EQ(read.launch_settings, server.launch_settings);
  EXPECT_EQ(read.enroll_time, time);
  EXPECT_GE(read.update_time, server.create_time);

  ASSERT_OK_AND_ASSIGN(const auto history, ListHistory(connection(), server.id, 0, 10));
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[1].version, 2);
  EXPECT_EQ(history[1].lifecycle, Lifecycle::kCutover);
  EXPECT_EQ(history[1].principal, "user/admin/a");
}

TEST_F(StoreTest, TheDatabaseItselfForbids) {
  SourceServer server = NewServer();
  const SourceServer other = NewServer();
  server.archived = true;  // in READY_FOR_TEST
  EXPECT_THAT(Save(server), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     "source_server_archived_only_at_the_end"));
  server.archived = false;
  server.public_key_hash = other.public_key_hash;
  EXPECT_THAT(Save(server),
              StatusIs(absl::StatusCode::kAlreadyExists, "source_server_public_key_unique"));
  server.public_key_hash = "own";
  server.application = "app-00000000000000000";
  EXPECT_THAT(Save(server), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     "source_server_in_existing_application"));
  constexpr pg::Statement kOveruse = {
      "test_overuse", "update registry.installation_token set use_count = 2 where id = $1"};
  const std::string token = NewId("t-");
  ASSERT_OK(InsertToken(connection(), {.id = token,
                                       .secret_hash = "x",
                                       .expire_time = absl::Now() + absl::Hours(1),
                                       .max_uses = 1}));
  EXPECT_THAT(connection().Exec(kOveruse, {token}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "installation_token_not_overused"));
}

TEST_F(StoreTest, ATokenCountsEachKeyOnce) {
  const std::string token = NewId("t-");
  ASSERT_OK(InsertToken(connection(), {.id = token,
                                       .secret_hash = "x",
                                       .expire_time = absl::Now() + absl::Hours(1),
                                       .max_uses = 3}));
  ASSERT_OK(UseToken(connection(), token, "key 1", "s-1"));
  ASSERT_OK(UseToken(connection(), token, "key 1", "s-1"));
  ASSERT_OK(UseToken(connection(), token, "key 2", "s-2"));
  EXPECT_EQ(LockToken(connection(), token)->use_count, 2);
  EXPECT_TRUE(*TokenUsedBy(connection(), token, "key 1"));
  EXPECT_FALSE(*TokenUsedBy(connection(), token, "key 3"));
}

TEST_F(StoreTest, OneRequestIdIsAnsweredOnceHoweverManyAskAtOnce) {
  Mutator mutator(*pool_);
  const Mutation mutation{.method = "Test",
                          .resource = "r",
                          .principal = "user/admin/a",
                          .request_id = NewUuid(),
                          .fingerprint = "f"};
  std::atomic<int> runs = 0, replays = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto outcome =
          mutator.Run(mutation, [&](pg::Connection&) -> absl::StatusOr<std::string> {
            ++runs;
            return std::string("the\0answer", 10);
          });
      ASSERT_OK(outcome);
      EXPECT_EQ(outcome->answer, std::string("the\0answer", 10));
      if (outcome->replayed) ++replays;
    });
  }
  threads.clear();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(replays, 7);
  Mutation other = mutation;
  other.fingerprint = "g";
  EXPECT_THAT(mutator.Run(other, [](pg::Connection&) { return std::string(); }),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
}

TEST_F(StoreTest, ARefusalIsAuditedAndLeavesNothingElse) {
  Mutator mutator(*pool_);
  const SourceServer server = NewServer();
  const Mutation mutation{.method = "Test",
                          .resource = "sourceServers/" + server.id,
                          .principal = "user/admin/a",
                          .request_id = NewUuid(),
                          .fingerprint = "f"};
  const auto refuse = [&](pg::Connection& inner) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(SourceServer locked, LockServer(inner, server.id));
    locked.lifecycle = Lifecycle::kTesting;
    RETURN_IF_ERROR(SaveServer(inner, locked, {.event = "Test", .principal = "x"}));
    return absl::FailedPreconditionError(std::string("no\0 \xff", 5));
  };
  EXPECT_THAT(mutator.Run(mutation, refuse), StatusIs(absl::StatusCode::kFailedPrecondition, "no"));
  EXPECT_EQ(GetServer(connection(), server.id)->version, 1);
  EXPECT_EQ(ListHistory(connection(), server.id, 0, 10)->size(), 1u);
  ASSERT_OK_AND_ASSIGN(const auto audit, ListAudit(connection(), 0, mutation.resource, 10));
  ASSERT_EQ(audit.size(), 1u);
  EXPECT_EQ(audit[0].code, static_cast<int>(absl::StatusCode::kFailedPrecondition));
  // The request id is free again.
  ASSERT_OK_AND_ASSIGN(const Outcome outcome,
                       mutator.Run(mutation, [](pg::Connection&) { return std::string("ok"); }));
  EXPECT_FALSE(outcome.replayed);
}

TEST_F(StoreTest, CommandsOfOneServerLeaveInOrder) {
  const std::string server = NewId("s-"), other = NewId("s-");
  const auto put = [&](CommandKind kind, const std::string& of) {
    const std::string id = NewUuid();
    EXPECT_OK(Enqueue(connection(), {.id = id, .kind = kind, .servers = {of}, .body = "{}"}));
    return id;
  };
  const std::string start = put(CommandKind::kStartServer, server);
  const std::string end = put(CommandKind::kEndServer, server);
  const std::string job = put(CommandKind::kCreateJob, server);
  const std::string others = put(CommandKind::kEndServer, other);
  const auto claim = [&](const std::string& id) {
    const auto command = Claim(connection(), id, absl::Seconds(60));
    EXPECT_OK(command);
    return command.ok() && command->has_value();
  };
  EXPECT_FALSE(claim(end));  // start waits
  EXPECT_TRUE(claim(job));   // another receiver
  EXPECT_TRUE(claim(others));
  EXPECT_TRUE(claim(start));
  EXPECT_FALSE(claim(start));  // leased
  EXPECT_FALSE(claim(end));
  EXPECT_TRUE(*LaunchWaits(connection(), server));
  ASSERT_OK(MarkDone(connection(), job, ""));
  EXPECT_FALSE(*LaunchWaits(connection(), server));
  ASSERT_OK(MarkFailed(connection(), start, "away", absl::ZeroDuration()));
  EXPECT_TRUE(claim(start));  // due again at once
  ASSERT_OK(MarkDone(connection(), start, ""));
  ASSERT_OK_AND_ASSIGN(const auto last, Claim(connection(), end, absl::Seconds(60)));
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->kind, CommandKind::kEndServer);
  EXPECT_THAT(last->servers, ElementsAre(server));
  ASSERT_OK(MarkDone(connection(), end, ""));
  ASSERT_OK(MarkDone(connection(), others, ""));
}

TEST_F(StoreTest, ARefusedLaunchIsUndoneWhereNothingHappenedSince) {
  std::vector<SourceServer> befores = {NewServer(), NewServer()};
  befores[0].last_test = {.job = "job-0", .initiate = absl::FromUnixSeconds(1'700'000'000)};
  ASSERT_OK_AND_ASSIGN(befores[0], Save(befores[0]));
  const std::string command = NewUuid();
  ASSERT_OK(Enqueue(connection(), {.id = command,
                                   .kind = CommandKind::kCreateJob,
                                   .servers = {befores[0].id, befores[1].id},
                                   .body = "{}"}));
  std::vector<SourceServer> afters;
  for (const SourceServer& before : befores) {
    SourceServer after = before;
    after.lifecycle = Lifecycle::kTesting;
    after.last_test = {.job = "job-1", .initiate = absl::Now()};
    after.launch_job = "job-1";
    after.launch_status = LaunchStatus::kPending;
    ASSERT_OK_AND_ASSIGN(after, Save(after));
    ASSERT_OK(RememberForUndo(connection(), command, before, after.version));
    afters.push_back(after);
  }
  afters[1].lifecycle = Lifecycle::kDisconnected;
  ASSERT_OK(Save(afters[1]));  // an operator was faster
  EXPECT_EQ(*UndoLaunch(connection(), command), 1);
  ASSERT_OK_AND_ASSIGN(const SourceServer back, GetServer(connection(), befores[0].id));
  EXPECT_EQ(back.lifecycle, Lifecycle::kReadyForTest);
  EXPECT_EQ(back.last_test.job, "job-0");
  EXPECT_EQ(back.last_test.initiate, befores[0].last_test.initiate);
  EXPECT_EQ(back.launch_job, "");
  EXPECT_EQ(back.launch_status, LaunchStatus::kNone);
  EXPECT_EQ(GetServer(connection(), befores[1].id)->lifecycle, Lifecycle::kDisconnected);
  EXPECT_FALSE(*LaunchWaits(connection(), befores[0].id));
}

TEST_F(StoreTest, ListsFilterAndPage) {
  std::vector<std::string> stopped;
  for (int i = 0; i < 5; ++i) stopped.push_back(NewServer(Lifecycle::kStopped).id);
  NewServer(Lifecycle::kReadyForTest);
  ServerQuery query{.states = {Lifecycle::kStopped, Lifecycle::kDiscovered}, .limit = 2};
  std::vector<std::string> seen;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const auto page, ListServers(connection(), query));
    for (const SourceServer& server : page) seen.push_back(server.id);
    if (page.size() < 2) break;
    query.after_time = page.back().create_time;
    query.after_id = page.back().id;
  }
  EXPECT_EQ(seen, stopped);
}

TEST_F(StoreTest, ChangedServersInTheOrderOfTheirLastChange) {
  constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
  ASSERT_OK_AND_ASSIGN(const ServerChanges before, ListServerChanges(connection(), kEnd, 10));
  EXPECT_TRUE(before.changes.empty());
  EXPECT_EQ(before.through, before.look.head);
  SourceServer first = NewServer(Lifecycle::kStopped);
  const SourceServer second = NewServer(Lifecycle::kStopped);
  const SourceServer gone = NewServer(Lifecycle::kStopped);
  ASSERT_OK_AND_ASSIGN(first, SaveServer(connection(), first, {"Test", "user/admin/alice"}));
  ASSERT_OK(DeleteServer(connection(), gone.id));
  ASSERT_OK_AND_ASSIGN(const ServerChanges page,
                       ListServerChanges(connection(), before.look.head, 2));
  ASSERT_EQ(page.changes.size(), 2u);
  EXPECT_EQ(page.look.stream, before.look.stream);
  EXPECT_EQ(page.look.first, before.look.head + 1);
  EXPECT_EQ(page.changes[0].id, second.id);
  EXPECT_EQ(page.changes[1].id, first.id);
  ASSERT_TRUE(page.changes[1].server.has_value());
  EXPECT_EQ(page.changes[1].server->version, 2);
  EXPECT_EQ(page.through, page.changes[1].place) << "there may be more";
  ASSERT_OK_AND_ASSIGN(const ServerChanges rest, ListServerChanges(connection(), page.through, 2));
  ASSERT_EQ(rest.changes.size(), 1u);
  EXPECT_EQ(rest.changes[0].id, gone.id);
  EXPECT_FALSE(rest.changes[0].server.has_value());
  EXPECT_EQ(rest.through, rest.look.head);
}

}  // namespace
}  // namespace godwit::registry::storage
