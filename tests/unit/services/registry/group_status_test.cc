#include "services/registry/domain/group_status.h"

#include <gtest/gtest.h>

namespace godwit::registry {
namespace {

TEST(GroupStatus, TheWorstServerIsTheHealth) {
  EXPECT_EQ(HealthOf(false, {}), GroupHealth::kHealthy);
  EXPECT_EQ(HealthOf(false, {.servers = 3, .lagging = 1}), GroupHealth::kLagging);
  EXPECT_EQ(HealthOf(false, {.servers = 3, .stalled = 1, .lagging = 2}), GroupHealth::kError);
  EXPECT_EQ(HealthOf(true, {.servers = 3, .stalled = 1}), GroupHealth::kNone);
}

TEST(GroupStatus, ProgressIsThatOfTheServers) {
  EXPECT_EQ(ProgressOf({}), GroupProgress::kNotStarted);
  EXPECT_EQ(ProgressOf({.applications = 2}), GroupProgress::kNotStarted);
  EXPECT_EQ(ProgressOf({.servers = 2}), GroupProgress::kNotStarted);
  EXPECT_EQ(ProgressOf({.servers = 2, .started = 1}), GroupProgress::kInProgress);
  EXPECT_EQ(ProgressOf({.servers = 2, .started = 2, .cut_over = 1}), GroupProgress::kInProgress);
  EXPECT_EQ(ProgressOf({.servers = 2, .started = 2, .cut_over = 2}), GroupProgress::kCompleted);
  // An application without servers beside one that is done.
  EXPECT_EQ(ProgressOf({.applications = 2, .servers = 1, .started = 1, .cut_over = 1}),
            GroupProgress::kCompleted);
}

}  // namespace
}  // namespace godwit::registry
