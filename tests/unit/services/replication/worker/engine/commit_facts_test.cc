#include "services/replication/worker/engine/commit_facts.h"

#include <functional>
#include <limits>

#include "services/common/base/ids.h"
#include "tests/support/status_matchers.h"

namespace godwit::worker {
namespace {

namespace pb = ::godwit::replication::v1;
using ::godwit::testing::StatusIs;

pb::EpochCommit Good() {
  pb::EpochCommit commit;
  commit.set_epoch(7);
  commit.mutable_cut_time()->set_seconds(1800000000);
  commit.mutable_cut_time()->set_nanos(5);
  commit.set_consistency(pb::Point::FILESYSTEM_CONSISTENT);
  commit.mutable_freeze_time()->set_nanos(20000000);
  return commit;
}

TEST(CommitFactsTest, TellWhatTheAgentSaid) {
  pb::EpochCommit commit = Good();
  commit.set_interim(true);
  ASSERT_OK_AND_ASSIGN(store::PointFacts facts, FactsOf(commit));
  EXPECT_EQ(facts.epoch, 7);
  EXPECT_EQ(absl::ToUnixNanos(facts.cut_time), 1800000000000000005);
  EXPECT_EQ(facts.consistency, pb::Point::FILESYSTEM_CONSISTENT);
  EXPECT_EQ(facts.freeze_time, absl::Milliseconds(20));
  EXPECT_EQ(facts.quiesce_time, absl::InfinitePast());
  EXPECT_TRUE(facts.interim);
  commit.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(facts, FactsOf(commit));
  EXPECT_FALSE(facts.interim) << "a point that was asked for is a point";
}

TEST(CommitFactsTest, WhatCannotBeIsRefusedByName) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto refused = [](const char* field, const std::function<void(pb::EpochCommit&)>& change) {
    pb::EpochCommit commit = Good();
    change(commit);
    EXPECT_THAT(FactsOf(commit), StatusIs(absl::StatusCode::kInvalidArgument, field));
  };
  for (const std::int64_t seconds : {kMost, -kMost, std::int64_t{-1}, std::int64_t{9300000000}}) {
    refused("epoch_commit.cut_time",
            [&](auto& to) { to.mutable_cut_time()->set_seconds(seconds); });
    refused("epoch_commit.quiesce_time",
            [&](auto& to) { to.mutable_quiesce_time()->set_seconds(seconds); });
    refused("epoch_commit.freeze_time",
            [&](auto& to) { to.mutable_freeze_time()->set_seconds(seconds); });
  }
  refused("epoch_commit.cut_time", [](auto& to) { to.mutable_cut_time()->set_nanos(-1); });
  refused("epoch_commit.freeze_time", [](auto& to) { to.mutable_freeze_time()->set_nanos(-1); });
  refused("epoch_commit.consistency", [](auto& to) { to.clear_consistency(); });
  refused("epoch_commit.consistency",
          [](auto& to) { to.set_consistency(static_cast<pb::Point::Consistency>(77)); });
  refused("epoch_commit.request_id", [](auto& to) { to.set_request_id("not a uuid"); });
}

}  // namespace
}  // namespace godwit::worker
