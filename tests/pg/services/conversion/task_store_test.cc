// The queue of conversions on a real database: who may write, and what a repeated call gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/base/ids.h"
#include "services/conversion/service/storage/pg_task_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::conversion {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TestDatabase;

class TaskStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(database_, TestDatabase::Start());
    pool_ = std::make_unique<pg::Pool>(pg::Pool::Options{.conninfo = database_->conninfo()});
    store_ = std::make_unique<PgTaskStore>(
        *pool_, PgTaskStore::Options{.lease_duration = absl::Milliseconds(400), .max_attempts = 2});
  }
  NewTask Make(const std::string& request_id = NewUuid()) const {
    return {.request_id = request_id,
            .fingerprint = std::string(32, 'f'),
            .requester = "service/jobs",
            .input = "input",
            .timeout = absl::Minutes(1)};
  }
  Task Lease(const std::string& worker) {
    const auto task = store_->Lease(worker, {TaskMode::kAppend}, true);
    EXPECT_OK(task.status());
    EXPECT_TRUE(*task);
    return *task ? **task : Task{};
  }

  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<pg::Pool> pool_;
  std::unique_ptr<PgTaskStore> store_;
};

TEST_F(TaskStoreTest, TheSameRequestGivesTheSameTask) {
  const NewTask task = Make();
  ASSERT_OK_AND_ASSIGN(const Task first, store_->Create(task));
  ASSERT_OK_AND_ASSIGN(const Task again, store_->Create(task));
  EXPECT_EQ(first.id, again.id);
  NewTask other = task;
  other.fingerprint = std::string(32, 'g');
  EXPECT_EQ(store_->Create(other).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TaskStoreTest, EveryModeOfTheContractCanBeKept) {
  for (const TaskMode mode : {TaskMode::kPreflight, TaskMode::kDiff, TaskMode::kUndo}) {
    NewTask task = Make();
    task.mode = mode;
    ASSERT_OK(store_->Create(task).status());
    ASSERT_OK_AND_ASSIGN(const auto leased, store_->Lease("conversion-worker/a", {mode}, true));
    EXPECT_TRUE(leased && leased->mode == mode);
  }
}

TEST_F(TaskStoreTest, OneWorkerHasATaskUntilItFinishes) {
  ASSERT_OK(store_->Create(Make()).status());
  const Task leased = Lease("conversion-worker/a");
  EXPECT_EQ(leased.state, TaskState::kRunning);
  ASSERT_OK_AND_ASSIGN(const auto none,
                       store_->Lease("conversion-worker/b", {TaskMode::kAppend}, true));
  EXPECT_FALSE(none);
  const LeaseKey key{leased.id, leased.epoch, "conversion-worker/a"};
  EXPECT_EQ(*store_->Renew(key, "initramfs"), false);
  ASSERT_OK(store_->Finish(key, absl::OkStatus(), "result"));
  ASSERT_OK(store_->Finish(key, absl::OkStatus(), "result"));  // again is harmless
  ASSERT_OK_AND_ASSIGN(const Task done, store_->Get(leased.id));
  EXPECT_EQ(done.state, TaskState::kSucceeded);
  EXPECT_EQ(done.result, "result");
}

TEST_F(TaskStoreTest, AStaleWorkerIsRefused) {
  ASSERT_OK(store_->Create(Make()).status());
  const Task first = Lease("conversion-worker/a");
  absl::SleepFor(absl::Milliseconds(600));
  // Not in the grace time after a start of the service.
  ASSERT_OK_AND_ASSIGN(const auto early,
                       store_->Lease("conversion-worker/b", {TaskMode::kAppend}, false));
  EXPECT_FALSE(early);
  const Task second = Lease("conversion-worker/b");
  EXPECT_EQ(second.id, first.id);
  EXPECT_GT(second.epoch, first.epoch);
  const LeaseKey stale{first.id, first.epoch, "conversion-worker/a"};
  EXPECT_EQ(store_->Renew(stale, "").status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(store_->Finish(stale, absl::OkStatus(), "wrong").code(), absl::StatusCode::kAborted);
  ASSERT_OK(
      store_->Finish({second.id, second.epoch, "conversion-worker/b"}, absl::OkStatus(), "right"));
  EXPECT_EQ((*store_->Get(first.id)).result, "right");
}

TEST_F(TaskStoreTest, AttemptsAreBounded) {
  ASSERT_OK_AND_ASSIGN(const Task made, store_->Create(Make()));
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Task leased = Lease("conversion-worker/a");
    ASSERT_OK(store_->GiveBack({leased.id, leased.epoch, "conversion-worker/a"},
                               absl::InternalError("broken")));
    absl::SleepFor(absl::Milliseconds(1200));  // it is due again after a second
  }
  ASSERT_OK_AND_ASSIGN(const Task failed, store_->Get(made.id));
  EXPECT_EQ(failed.state, TaskState::kFailed);
  EXPECT_THAT(failed.error, StatusIs(absl::StatusCode::kInternal, "broken"));
}

TEST_F(TaskStoreTest, CancelEndsAPendingTaskAndAsksARunningOne) {
  ASSERT_OK_AND_ASSIGN(const Task pending, store_->Create(Make()));
  EXPECT_EQ((*store_->Cancel(pending.id)).state, TaskState::kCancelled);
  ASSERT_OK(store_->Create(Make()).status());
  const Task running = Lease("conversion-worker/a");
  ASSERT_OK(store_->Cancel(running.id).status());
  const LeaseKey key{running.id, running.epoch, "conversion-worker/a"};
  EXPECT_EQ(*store_->Renew(key, ""), true);
  ASSERT_OK(store_->Finish(key, absl::CancelledError("cancelled"), ""));
  EXPECT_EQ((*store_->Get(running.id)).state, TaskState::kCancelled);
}

}  // namespace
}  // namespace godwit::conversion
