// Applications and waves with what their members make up, and the health of servers.
#include "services/registry/storage/group_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/pool.h"
#include "services/registry/storage/health_store.h"
#include "services/registry/storage/server_store.h"
#include "tests/pg/services/registry/store_fixture.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry::storage {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;

constexpr pg::Statement kOldInsert = {
    "test_old_insert", "insert into registry.source_server (id, lifecycle) values ($1, 4)"};
constexpr pg::Statement kHealthRows = {
    "test_health",
    "select health, registry.micros(time) from registry.server_health"
    " where server_id = $1"};

class GroupStoreTest : public StoreFixture {
 protected:
  Group New(GroupKind kind, const std::string& title) {
    const auto group = InsertGroup(
        connection(), kind,
        {.id = NewId(kind == GroupKind::kWave ? "wave-" : "app-"), .display_name = title});
    EXPECT_OK(group);
    return group.ok() ? *group : Group();
  }
  Group NewIn(const Group& wave, const std::string& title) {
    Group application = New(GroupKind::kApplication, title);
    application.wave = wave.id;
    EXPECT_OK(SaveGroup(connection(), GroupKind::kApplication, application));
    return application;
  }
  SourceServer NewServer(Lifecycle lifecycle, const std::string& application) {
    auto server = InsertServer(connection(), {.id = NewId("s-"), .lifecycle = lifecycle},
                               {.event = "Enroll", .principal = "agent/x"});
    EXPECT_OK(server);
    server->application = application;
    return Save(*server);
  }
  SourceServer Save(const SourceServer& server) {
    const auto saved =
        SaveServer(connection(), server, {.event = "Test", .principal = "user/admin/a"});
    EXPECT_OK(saved);
    return saved.ok() ? *saved : SourceServer();
  }
  GroupFacts Facts(GroupKind kind, const std::string& id) {
    const auto group = GetGroup(connection(), kind, id);
    EXPECT_OK(group);
    return group.ok() ? group->facts : GroupFacts();
  }
  std::vector<std::string> Ids(GroupKind kind, const GroupQuery& query) {
    const auto groups = ListGroups(connection(), kind, query);
    EXPECT_OK(groups);
    std::vector<std::string> ids;
    if (groups.ok()) {
      for (const Group& group : *groups) ids.push_back(group.id);
    }
    return ids;
  }
};

TEST_F(GroupStoreTest, FactsOfMembers) {
  const Group wave = New(GroupKind::kWave, "w");
  const Group one = NewIn(wave, "one");
  const Group two = NewIn(wave, "two");
  const Group other = New(GroupKind::kApplication, "other");
  EXPECT_EQ(Facts(GroupKind::kApplication, one.id).servers, 0);
  EXPECT_EQ(Facts(GroupKind::kApplication, one.id).last_change, std::nullopt);
  EXPECT_EQ(Facts(GroupKind::kWave, wave.id).applications, 2);
  EXPECT_EQ(Facts(GroupKind::kWave, wave.id).servers, 0);

  const SourceServer waiting = NewServer(Lifecycle::kPendingInstallation, one.id);
  GroupFacts facts = Facts(GroupKind::kApplication, one.id);
  EXPECT_EQ(facts.servers, 1);
  EXPECT_EQ(facts.started, 0);
  EXPECT_EQ(facts.first_start, std::nullopt);
  EXPECT_EQ(facts.last_change, waiting.update_time);
  // Begun stays begun, also when the replication was stopped.
  SourceServer begun = NewServer(Lifecycle::kNotReady, one.id);
  begun.lifecycle = Lifecycle::kStopped;
  Save(begun);
  facts = Facts(GroupKind::kApplication, one.id);
  EXPECT_EQ(facts.started, 1);
  ASSERT_TRUE(facts.first_start.has_value());
  EXPECT_GE(*facts.first_start, begun.create_time);
  const SourceServer done = NewServer(Lifecycle::kCutover, two.id);
  facts = Facts(GroupKind::kWave, wave.id);
  EXPECT_EQ(facts.applications, 2);
  EXPECT_EQ(facts.servers, 3);
  EXPECT_EQ(facts.started, 2);
  EXPECT_EQ(facts.cut_over, 1);
  EXPECT_EQ(facts.last_change, done.update_time);
  EXPECT_EQ(Facts(GroupKind::kApplication, other.id).servers, 0);

  // Health counts while a server replicates.
  const SourceServer stalled = NewServer(Lifecycle::kTesting, two.id);
  const SourceServer lagging = NewServer(Lifecycle::kNotReady, two.id);
  ASSERT_OK(SaveHealth(connection(), {{begun.id, ServerHealth::kStalled},
                                      {done.id, ServerHealth::kStalled},
                                      {stalled.id, ServerHealth::kStalled},
                                      {lagging.id, ServerHealth::kLagging},
                                      {"s-fffffffffffffffff", ServerHealth::kStalled}}));
  facts = Facts(GroupKind::kApplication, two.id);
  EXPECT_EQ(facts.stalled, 1);
  EXPECT_EQ(facts.lagging, 1);
  EXPECT_EQ(Facts(GroupKind::kApplication, one.id).stalled, 0);
  EXPECT_EQ(Facts(GroupKind::kWave, wave.id).stalled, 1);

  // What programs of before write is taken as it is.
  const std::string old = NewId("s-");
  ASSERT_OK(connection().Exec(kOldInsert, {old}));
  ASSERT_OK_AND_ASSIGN(SourceServer known, LockServer(connection(), old));
  known.application = other.id;
  Save(known);
  EXPECT_EQ(Facts(GroupKind::kApplication, other.id).started, 1);
}

TEST_F(GroupStoreTest, HealthIsWrittenWhenItChanges) {
  const SourceServer server = NewServer(Lifecycle::kNotReady, "");
  const auto read = [&]() -> std::pair<std::int64_t, absl::Time> {
    const auto rows = connection().Exec(kHealthRows, {server.id});
    EXPECT_OK(rows);
    return {rows->Int(0, 0), rows->Time(0, 1).value_or(absl::UnixEpoch())};
  };
  ASSERT_OK(SaveHealth(connection(), {{server.id, ServerHealth::kHealthy}}));
  const auto first = read();
  ASSERT_OK(SaveHealth(connection(), {{server.id, ServerHealth::kHealthy}}));
  EXPECT_EQ(read(), first);
  ASSERT_OK(SaveHealth(connection(), {{server.id, ServerHealth::kStalled}}));
  EXPECT_EQ(read().first, 3);
  EXPECT_GT(read().second, first.second);
  EXPECT_EQ(GetServer(connection(), server.id)->version, server.version);
  ASSERT_OK(SaveHealth(connection(), {}));
}

TEST_F(GroupStoreTest, ListsFilterAndPage) {
  const Group wave = New(GroupKind::kWave, "w");
  std::vector<std::string> of_wave;
  for (int i = 0; i < 5; ++i) of_wave.push_back(NewIn(wave, absl::StrCat(i)).id);
  Group hidden = New(GroupKind::kApplication, "hidden");
  hidden.archived = true;
  ASSERT_OK_AND_ASSIGN(const Group saved, SaveGroup(connection(), GroupKind::kApplication, hidden));
  EXPECT_GT(saved.update_time, hidden.update_time);
  EXPECT_EQ(saved.create_time, hidden.create_time);

  GroupQuery query{.waves = {wave.id}, .limit = 2};
  std::vector<std::string> seen;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const auto page, ListGroups(connection(), GroupKind::kApplication, query));
    for (const Group& group : page) seen.push_back(group.id);
    if (page.size() < 2) break;
    query.after_time = page.back().create_time;
    query.after_id = page.back().id;
  }
  EXPECT_EQ(seen, of_wave);
  const std::vector<std::string> two = {of_wave[3], hidden.id};
  EXPECT_THAT(Ids(GroupKind::kApplication, {.ids = two}), ElementsAre(of_wave[3]));
  EXPECT_THAT(Ids(GroupKind::kApplication, {.show_archived = true, .ids = two}),
              ElementsAre(of_wave[3], hidden.id));
  EXPECT_THAT(Ids(GroupKind::kApplication, {.archived = true, .ids = two}), ElementsAre(hidden.id));
  EXPECT_THAT(Ids(GroupKind::kApplication, {.show_archived = true, .archived = false, .ids = two}),
              ElementsAre(of_wave[3]));
  EXPECT_THAT(Ids(GroupKind::kWave, {.ids = {wave.id}}), ElementsAre(wave.id));
  EXPECT_THAT(GetGroup(connection(), GroupKind::kWave, "wave-fffffffffffffffff"),
              StatusIs(absl::StatusCode::kNotFound, "waves/wave-fffffffffffffffff"));
}

// Eight at once, room for three: three come in.
TEST_F(GroupStoreTest, CountingKeepsOthersOut) {
  ASSERT_OK_AND_ASSIGN(const std::int64_t before,
                       CountGroups(connection(), GroupKind::kWave, /*archived=*/false));
  constexpr int kRoom = 3;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const absl::Status status = pool_->InTransaction([&](pg::Transaction& tx) -> absl::Status {
        RETURN_IF_ERROR(LockCount(tx.connection(), GroupKind::kWave));
        ASSIGN_OR_RETURN(const std::int64_t present,
                         CountGroups(tx.connection(), GroupKind::kWave, false));
        if (present >= before + kRoom) return absl::OkStatus();
        return InsertGroup(tx.connection(), GroupKind::kWave,
                           {.id = NewId("wave-"), .display_name = "x"})
            .status();
      });
      EXPECT_OK(status);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*CountGroups(connection(), GroupKind::kWave, false), before + kRoom);
  EXPECT_EQ(*CountGroups(connection(), GroupKind::kWave, true), 0);
}

}  // namespace
}  // namespace godwit::registry::storage
