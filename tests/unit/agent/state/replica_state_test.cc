#include "agent/state/replica_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::TempDir;

TEST(ReplicaState, IsKeptForTheBoot) {
  TempDir dir;
  ASSERT_OK(SaveReplicaState(
      dir / "s", {.boot_id = "b", .replica_id = "r", .committed_epoch = 7, .quiesced = true}));
  const ReplicaState state = LoadReplicaState(dir / "s", "b");
  EXPECT_EQ(state.replica_id, "r");
  EXPECT_EQ(state.committed_epoch, 7);
  EXPECT_TRUE(state.quiesced);
  EXPECT_EQ(LoadReplicaState(dir / "s", "another").replica_id, "");
}

TEST(ReplicaState, WhatIsDamagedIsEmpty) {
  TempDir dir;
  for (const char* text :
       {"", "[]", "{", "{\"boot_id\":5}", "{\"boot_id\":\"b\",\"replica_id\":\"r\"}",
        R"({"boot_id":"b","replica_id":7,"committed_epoch":7,"quiesced":true})",
        R"({"boot_id":"b","replica_id":"r","committed_epoch":1e300,"quiesced":true})",
        R"({"boot_id":"b","replica_id":"r","committed_epoch":7,"quiesced":1})"}) {
    ASSERT_OK(WriteFileAtomically(dir / "s", text));
    const ReplicaState state = LoadReplicaState(dir / "s", "b");
    EXPECT_EQ(state.boot_id, "b") << text;
    EXPECT_EQ(state.replica_id, "") << text;
    EXPECT_EQ(state.committed_epoch, 0) << text;
    EXPECT_FALSE(state.quiesced) << text;
  }
}

}  // namespace
}  // namespace godwit::agent
