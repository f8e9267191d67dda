// How wave runs move, without any service.
#include "services/jobs/domain/wave_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/jobs/storage/wave_codec.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = MemberResult::Kind;

const absl::Time kNow = absl::FromUnixSeconds(1'780'000'000);

class WaveRulesTest : public ::testing::Test {
 protected:
  // Groups "a", "b"... with members "a0", "a1"...
  void Make(const std::vector<int>& sizes) {
    for (std::size_t g = 0; g < sizes.size(); ++g) {
      const std::string name(1, static_cast<char>('a' + g));
      WaveGroup group{.application = name, .display_name = name};
      for (int m = 0; m < sizes[g]; ++m) group.members.push_back({.server = absl::StrCat(name, m)});
      run_.groups.push_back(group);
    }
  }
  void Go() { Advance(run_, now_, events_); }
  void Tell(const std::string& server, Kind kind, const std::string& text = "") {
    MemberResult result{.server = server, .kind = kind};
    (kind == Kind::kJobKnown || kind == Kind::kRemoveKnown ? result.job : result.reason) = text;
    Apply(run_, result, now_, events_);
    Go();
  }
  void Launch(const std::string& server) {
    Tell(server, Kind::kJobKnown, "job-" + server);
    Tell(server, Kind::kDone);
  }
  std::vector<std::string> InState(MemberState state) const {
    std::vector<std::string> out;
    for (const WaveGroup& group : run_.groups) {
      for (const WaveMember& member : group.members) {
        if (member.state == state) out.push_back(member.server);
      }
    }
    return out;
  }
  std::vector<WaveEventType> Types() const {
    std::vector<WaveEventType> out;
    for (const WaveEvent& event : events_) out.push_back(event.type);
    return out;
  }

  WaveRun run_;
  absl::Time now_ = kNow;
  std::vector<WaveEvent> events_;
};

TEST_F(WaveRulesTest, GroupsGoOneAfterTheOther) {
  Make({2, 1});
  Go();
  EXPECT_EQ(run_.state, WaveState::kRunning);
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("a0", "a1"));
  Launch("a0");
  EXPECT_THAT(InState(MemberState::kWaiting), ElementsAre("b0"));
  Launch("a1");
  EXPECT_EQ(run_.groups[0].state, GroupState::kPassed);
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("b0"));
  Launch("b0");
  EXPECT_EQ(run_.state, WaveState::kSucceeded);
  EXPECT_EQ(run_.end_time, now_);
  EXPECT_THAT(Types(), ElementsAre(WaveEventType::kRunStarted, WaveEventType::kGroupStarted,
                                   WaveEventType::kServerStarted, WaveEventType::kServerSucceeded,
                                   WaveEventType::kServerStarted, WaveEventType::kServerSucceeded,
                                   WaveEventType::kGatePassed, WaveEventType::kGroupStarted,
                                   WaveEventType::kServerStarted, WaveEventType::kServerSucceeded,
                                   WaveEventType::kGatePassed, WaveEventType::kRunEnded));
}

TEST_F(WaveRulesTest, AdvancingAgainChangesNothing) {
  Make({3});
  Go();
  const WaveRun before = run_;
  const std::size_t told = events_.size();
  Go();
  EXPECT_EQ(run_, before);
  EXPECT_EQ(events_.size(), told);
}

TEST_F(WaveRulesTest, NotMoreAtOnceThanAllowed) {
  Make({5});
  run_.options.max_parallel_servers = 2;
  Go();
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("a0", "a1"));
  Tell("a0", Kind::kJobKnown, "job-a0");
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("a1"));
  Tell("a0", Kind::kDone);
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("a1", "a2"));
}

TEST_F(WaveRulesTest, AResultThatComesTwiceOrLateIsNotTaken) {
  Make({1});
  Go();
  Launch("a0");
  const WaveRun before = run_;
  Tell("a0", Kind::kFailed, "late");
  Tell("a0", Kind::kJobKnown, "job-other");
  EXPECT_EQ(run_, before);
}

TEST_F(WaveRulesTest, TheFirstFailureStopsTheRunWhenAllUnderWayHasEnded) {
  Make({3, 1});
  run_.options.max_parallel_servers = 2;
  Go();
  Tell("a0", Kind::kFailed, "no kernel");
  EXPECT_EQ(run_.state, WaveState::kRunning);
  EXPECT_THAT(InState(MemberState::kWaiting), ElementsAre("a2", "b0")) << "nothing more is begun";
  Launch("a1");
  EXPECT_EQ(run_.state, WaveState::kStopped);
  EXPECT_THAT(run_.reason, HasSubstr("1 server failed"));
  EXPECT_EQ(run_.groups[0].state, GroupState::kFailed);
  EXPECT_TRUE(Rests(run_));
}

TEST_F(WaveRulesTest, SomeFailuresMayBeTolerated) {
  Make({3, 1});
  run_.options.stop_after_failed = 2;
  Go();
  Tell("a0", Kind::kFailed, "no kernel");
  Launch("a1");
  Launch("a2");
  Launch("b0");
  EXPECT_EQ(run_.state, WaveState::kFailed);
  EXPECT_THAT(run_.reason, HasSubstr("1 server failed"));
}

TEST_F(WaveRulesTest, ResumingTriesFailedServersAgainUnderANewAttempt) {
  Make({1, 1});
  Go();
  Tell("a0", Kind::kFailed, "no kernel");
  ASSERT_EQ(run_.state, WaveState::kStopped);
  ASSERT_OK(Resume(run_, /*retry_failed=*/true, "user/operator/o", now_, events_));
  Go();
  EXPECT_EQ(run_.groups[0].members[0].attempt, 2);
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("a0"));
  Launch("a0");
  Launch("b0");
  EXPECT_EQ(run_.state, WaveState::kSucceeded);
}

TEST_F(WaveRulesTest, ResumingWithoutFailedServersEndsAsFailed) {
  Make({2, 1});
  Go();
  Tell("a0", Kind::kFailed, "no kernel");
  Launch("a1");
  ASSERT_OK(Resume(run_, /*retry_failed=*/false, "user/operator/o", now_, events_));
  Go();
  EXPECT_TRUE(run_.groups[0].members[0].left_behind);
  EXPECT_EQ(run_.groups[0].state, GroupState::kPassed);
  Launch("b0");
  EXPECT_EQ(run_.state, WaveState::kFailed);
}

TEST_F(WaveRulesTest, ResumingIsForStoppedRunsOnly) {
  Make({1});
  Go();
  EXPECT_THAT(Resume(run_, true, "o", now_, events_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "not stopped"));
}

TEST_F(WaveRulesTest, AGroupWaitsForItsApproval) {
  Make({1, 1});
  run_.groups[1].needs_approval = true;
  Go();
  Launch("a0");
  EXPECT_EQ(run_.state, WaveState::kWaitingForApproval);
  EXPECT_TRUE(Rests(run_));
  EXPECT_THAT(Approve(run_, "a", "o", now_, events_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "applications/b"));
  ASSERT_OK(Approve(run_, "b", "user/operator/o", now_, events_));
  EXPECT_THAT(Approve(run_, "", "o", now_, events_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "does not wait"));
  Go();
  EXPECT_EQ(run_.groups[1].approved_by, "user/operator/o");
  Launch("b0");
  EXPECT_EQ(run_.state, WaveState::kSucceeded);
}

TEST_F(WaveRulesTest, TheGateOfAGroupAsksItsChecks) {
  Make({1, 1});
  run_.groups[0].checks = {{.tcp_port = 22}};
  Go();
  Launch("a0");
  EXPECT_EQ(run_.groups[0].state, GroupState::kChecking);
  ASSERT_NE(GroupToCheck(run_), nullptr);
  ApplyChecks(run_, "a", "a0: TCP port 22: refused", now_, events_);
  Go();
  EXPECT_EQ(run_.groups[0].state, GroupState::kChecking);
  EXPECT_THAT(run_.groups[0].reason, HasSubstr("refused"));
  ApplyChecks(run_, "a", "", now_, events_);
  Go();
  EXPECT_EQ(run_.groups[0].state, GroupState::kPassed);
  EXPECT_EQ(GroupToCheck(run_), nullptr);
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("b0"));
}

TEST_F(WaveRulesTest, AGateWhoseChecksNeverHoldStopsTheRun) {
  Make({1, 1});
  run_.groups[0].checks = {{.tcp_port = 22}};
  run_.groups[0].check_timeout = absl::Minutes(1);
  Go();
  Launch("a0");
  now_ += absl::Minutes(1);
  ApplyChecks(run_, "a", "refused", now_, events_);
  EXPECT_EQ(run_.state, WaveState::kStopped);
  EXPECT_THAT(Types(), Contains(WaveEventType::kGateFailed));
  // Trying again checks again, with all the time there is.
  ASSERT_OK(Resume(run_, /*retry_failed=*/true, "o", now_, events_));
  Go();
  EXPECT_EQ(run_.groups[0].state, GroupState::kChecking);
  ApplyChecks(run_, "a", "refused", now_ + absl::Seconds(59), events_);
  EXPECT_EQ(run_.state, WaveState::kRunning);
  ApplyChecks(run_, "a", "refused", now_ + absl::Minutes(1), events_);
  ASSERT_EQ(run_.state, WaveState::kStopped);
  // Going on takes the gate as passed.
  ASSERT_OK(Resume(run_, /*retry_failed=*/false, "o", now_, events_));
  Go();
  EXPECT_EQ(run_.groups[0].state, GroupState::kPassed);
}

TEST_F(WaveRulesTest, TestMachinesAreRemovedToMakeRoom) {
  Make({3});
  run_.options = {.max_machines = 1, .remove_test_machines = true};
  Go();
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("a0"));
  Launch("a0");
  EXPECT_THAT(InState(MemberState::kRemoving), ElementsAre("a0"));
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre()) << "its machine is still there";
  Tell("a0", Kind::kRemoveKnown, "job-r");
  Tell("a0", Kind::kRemoved);
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("a1"));
}

TEST_F(WaveRulesTest, MachinesThatAGateNeedsAreRemovedWhenItPassed) {
  Make({2});
  run_.options.remove_test_machines = true;
  run_.groups[0].checks = {{.tcp_port = 22}};
  Go();
  Launch("a0");
  EXPECT_THAT(InState(MemberState::kProven), ElementsAre("a0"));
  Launch("a1");
  EXPECT_EQ(run_.groups[0].state, GroupState::kChecking);
  ApplyChecks(run_, "a", "", now_, events_);
  Go();
  EXPECT_THAT(InState(MemberState::kRemoving), ElementsAre("a0", "a1"));
  Tell("a0", Kind::kRemoved);
  EXPECT_EQ(run_.state, WaveState::kRunning);
  Tell("a1", Kind::kRemoved);
  EXPECT_EQ(run_.state, WaveState::kSucceeded);
}

TEST_F(WaveRulesTest, AGateThatIsTriedAgainAsksNoMachineThatWasRemoved) {
  Make({2});
  run_.options.remove_test_machines = true;
  run_.groups[0].checks = {{.tcp_port = 22}};
  Go();
  Launch("a0");
  Launch("a1");
  ApplyChecks(run_, "a", "", now_, events_);
  Go();
  Tell("a0", Kind::kRemoved);
  Tell("a1", Kind::kFailed, "its machine was not removed");
  ASSERT_EQ(run_.state, WaveState::kStopped);
  ASSERT_OK(Resume(run_, /*retry_failed=*/true, "o", now_, events_));
  Go();
  Launch("a1");
  ASSERT_EQ(run_.groups[0].state, GroupState::kChecking);
  EXPECT_FALSE(MachineStands(run_, run_.groups[0].members[0]))
      << "it is gone: nothing would answer";
  EXPECT_TRUE(MachineStands(run_, run_.groups[0].members[1]));
  ApplyChecks(run_, "a", "", now_, events_);
  Go();
  Tell("a1", Kind::kRemoved);
  EXPECT_EQ(run_.state, WaveState::kSucceeded);
}

TEST_F(WaveRulesTest, AGateThatFailsStopsTheRunWhenRemovalsUnderWayHaveEnded) {
  Make({2});
  run_.options.remove_test_machines = true;
  run_.groups[0].checks = {{.tcp_port = 22}};
  Go();
  Launch("a0");
  Launch("a1");
  ASSERT_EQ(run_.groups[0].state, GroupState::kChecking);
  run_.groups[0].members[0].state = MemberState::kRemoving;
  now_ += run_.groups[0].check_timeout;
  ApplyChecks(run_, "a", "refused", now_, events_);
  EXPECT_EQ(run_.state, WaveState::kRunning) << "a stopped run would leave the removal alone";
  Tell("a0", Kind::kRemoved);
  ApplyChecks(run_, "a", "refused", now_, events_);
  EXPECT_EQ(run_.state, WaveState::kStopped);
  EXPECT_TRUE(Rests(run_));
}

TEST_F(WaveRulesTest, CancellingStartsNothingMoreAndWaitsForWhatIsUnderWay) {
  Make({3, 1});
  run_.options.max_parallel_servers = 2;
  Go();
  Tell("a0", Kind::kJobKnown, "job-a0");
  ASSERT_OK(Cancel(run_, false, "user/operator/o", now_, events_));
  ASSERT_OK(Cancel(run_, false, "user/operator/o", now_, events_));  // twice is once
  Go();
  EXPECT_THAT(InState(MemberState::kCancelled), ElementsAre("a2", "b0"));
  EXPECT_EQ(run_.state, WaveState::kCancelling);
  Tell("a1", Kind::kNotBegun);
  Tell("a0", Kind::kCancelled, "jobs/job-a0 was cancelled");
  EXPECT_EQ(run_.state, WaveState::kCancelled);
  EXPECT_THAT(InState(MemberState::kCancelled), ElementsAre("a0", "a1", "a2", "b0"));
}

TEST_F(WaveRulesTest, AJobThatSomebodyElseCancelledIsAFailure) {
  Make({1});
  Go();
  Tell("a0", Kind::kJobKnown, "job-a0");
  Tell("a0", Kind::kCancelled, "jobs/job-a0 was cancelled");
  EXPECT_THAT(InState(MemberState::kFailed), ElementsAre("a0"));
  EXPECT_EQ(run_.state, WaveState::kStopped);
}

TEST_F(WaveRulesTest, AnEndedRunCannotBeCancelled) {
  Make({1});
  Go();
  Launch("a0");
  EXPECT_THAT(Cancel(run_, false, "o", now_, events_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "has ended"));
}

TEST_F(WaveRulesTest, AnApplicationWithoutServersIsPassedBy) {
  Make({0, 1});
  Go();
  EXPECT_EQ(run_.groups[0].state, GroupState::kPassed);
  EXPECT_THAT(InState(MemberState::kStarting), ElementsAre("b0"));
}

TEST(WaveCodecTest, KeepsOptionsAndChecks) {
  const WaveOptions options{.max_parallel_servers = 3,
                            .max_machines = 2,
                            .remove_test_machines = true,
                            .stop_after_failed = 7,
                            .keep_agent = true};
  ASSERT_OK_AND_ASSIGN(const WaveOptions read, OptionsFromJson(OptionsToJson(options)));
  EXPECT_EQ(read, options);
  const std::vector<WaveCheck> checks = {
      {.kind = WaveCheck::Kind::kTcp, .server = "s-1", .tcp_port = 5432},
      {.kind = WaveCheck::Kind::kHttp,
       .http = {.guest_port = 80, .path = "/up", .status = 204, .body_contains = "\"ok\""}},
      {.kind = WaveCheck::Kind::kCommand,
       .command = {.command = "true", .exit_code = 3, .output_contains = "x"}}};
  ASSERT_OK_AND_ASSIGN(const std::vector<WaveCheck> back, ChecksFromJson(ChecksToJson(checks)));
  EXPECT_EQ(back, checks);
  EXPECT_FALSE(OptionsFromJson("[]").ok());
  EXPECT_FALSE(ChecksFromJson("{").ok());
}

}  // namespace
}  // namespace godwit::jobs
