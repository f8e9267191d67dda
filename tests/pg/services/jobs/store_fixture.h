// A job store on a PostgreSQL that all tests of the program share; each finds it empty.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "services/jobs/runner/executor.h"
#include "services/jobs/storage/pg_job_store.h"
#include "tests/pg/services/jobs/new_job.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::jobs {

using ServerRun = Run;  // fixtures have a Run of their own

class StoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (database_ != nullptr) return;
    auto started = ::godwit::testing::TestDatabase::Start();
    ASSERT_OK(started);
    database_ = *std::move(started);
  }
  void SetUp() override {
    store_ = std::make_unique<PgJobStore>(database_->conninfo(), 16);
    auto connection = pg::Connection::Open(database_->conninfo());
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Run("DELETE FROM jobs.job"));
  }

  // Of launches and terminations.
  static ClaimOrder Share(int most_of_job, int limit = 1) {
    return {.types = {JobType::kTestLaunch, JobType::kTerminate},
            .owner = "me",
            .ttl = absl::Minutes(10),
            .limit = limit,
            .most_of_job = most_of_job};
  }
  static Plans PlanOf(std::unique_ptr<Step> step) {
    Plans plans;
    Plan plan{.type = JobType::kTestLaunch};
    plan.steps.push_back(std::move(step));
    plans.emplace(JobType::kTestLaunch, std::move(plan));
    return plans;
  }

  inline static std::unique_ptr<::godwit::testing::TestDatabase> database_;
  std::unique_ptr<PgJobStore> store_;
};

}  // namespace godwit::jobs
