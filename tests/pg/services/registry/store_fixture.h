// A PostgreSQL with the registry's schema for a test suite, and a connection for each test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "services/common/pg/pool.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::registry::storage {

class StoreFixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto database = ::godwit::testing::TestDatabase::Start();
    ASSERT_OK(database);
    database_ = database->release();
    pool_ = new pg::Pool({.conninfo = database_->conninfo(), .max_connections = 12});
  }
  static void TearDownTestSuite() {
    delete pool_;
    delete database_;
  }
  void SetUp() override {
    auto lease = pool_->Acquire();
    ASSERT_OK(lease);
    connection_.emplace(*std::move(lease));
  }
  pg::Connection& connection() { return **connection_; }

  inline static ::godwit::testing::TestDatabase* database_ = nullptr;
  inline static pg::Pool* pool_ = nullptr;
  std::optional<pg::Pool::Lease> connection_;
};

}  // namespace godwit::registry::storage
