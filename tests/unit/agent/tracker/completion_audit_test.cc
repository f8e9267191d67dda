#include "agent/tracker/completion_audit.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

class CompletionAuditTest : public ::testing::Test {
 protected:
  void SetInFlight(int writes) {
    ASSERT_OK(
        WriteFileAtomically(dir_ / "inflight", absl::StrCat("       3        ", writes, "\n")));
  }
  // Fifty looks without waiting.
  bool MissedByAnyLook() {
    bool missed = false;
    for (int i = 0; i < 50; ++i) missed = audit_.Missed(false) || missed;
    return missed;
  }

  testing::TempDir dir_;
  godwit_meta meta_{};
  CompletionAudit audit_{&meta_, dir_ / "inflight"};
};

TEST_F(CompletionAuditTest, WhatIsUnderWayIsNotMissed) {
  SetInFlight(0);
  EXPECT_FALSE(audit_.Missed(true));
  SetInFlight(5);
  meta_.issued = 105;
  meta_.completed = 100;
  EXPECT_FALSE(audit_.Missed(true));
  meta_.completed = 105;
  SetInFlight(0);
  EXPECT_FALSE(audit_.Missed(true));
}

TEST_F(CompletionAuditTest, AMissedOneIsToldOnce) {
  SetInFlight(0);
  EXPECT_FALSE(audit_.Missed(true));
  meta_.issued = 10;
  meta_.completed = 9;
  EXPECT_FALSE(audit_.Missed(false)) << "it may be ending just now";
  EXPECT_TRUE(audit_.Missed(true));
  EXPECT_FALSE(audit_.Missed(true));
  meta_.issued = 30;
  meta_.completed = 28;
  EXPECT_TRUE(audit_.Missed(true));
}

TEST_F(CompletionAuditTest, ADiskThatIsNeverAtRestIsJudgedByTheBestLook) {
  SetInFlight(0);
  EXPECT_FALSE(audit_.Missed(true));
  SetInFlight(2);
  meta_.issued = 1003;
  meta_.completed = 1000;
  EXPECT_TRUE(audit_.Missed(true));
  meta_.issued = 2003;
  meta_.completed = 2000;
  EXPECT_FALSE(audit_.Missed(true));
}

// Requests that were under way when the programs came are completed and were never issued.
TEST_F(CompletionAuditTest, TheStartCountsAsItIs) {
  meta_.completed = 4;
  EXPECT_FALSE(MissedByAnyLook()) << "no file";
  SetInFlight(0);
  EXPECT_FALSE(audit_.Missed(true));
  meta_.issued = 1;
  EXPECT_TRUE(audit_.Missed(true));
  // Of another process, with the same counters.
  CompletionAudit next(&meta_, dir_ / "inflight");
  EXPECT_FALSE(next.Missed(true));
}

}  // namespace
}  // namespace godwit::agent
