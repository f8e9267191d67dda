#include "services/registry/domain/lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace godwit::registry {
namespace {

// What each event does in each state, by hand from the published rules: "-" is a refusal. Columns
// in the order of the states' numbers.
//                                  PENDING DISCO STOPPED NOT_READY READY TESTING R_CUT CUTTING CUT
//                                  DISC
using Row = std::vector<std::string>;
const std::map<Event, Row> kStrict = {
    {Event::kInitialSyncDone, {"-", "-", "-", "5", "-", "-", "-", "-", "-", "-"}},
    {Event::kStartTest, {"-", "-", "-", "-", "6", "6", "-", "-", "-", "-"}},
    {Event::kMarkReadyForCutover, {"-", "-", "-", "-", "7", "7", "-", "-", "-", "-"}},
    {Event::kStartCutover, {"-", "-", "-", "-", "-", "-", "8", "-", "-", "-"}},
    {Event::kRevertCutover, {"-", "-", "-", "-", "-", "-", "-", "7", "-", "-"}},
    {Event::kRevertToReadyForTest, {"-", "-", "-", "-", "-", "5", "5", "-", "-", "-"}},
    {Event::kFinalizeCutover, {"-", "-", "-", "-", "-", "-", "-", "9", "-", "-"}},
    {Event::kTerminateTargetInstances, {"-", "-", "3", "4", "5", "-", "7", "-", "-", "10"}},
    {Event::kStartReplication, {"-", "4", "4", "-", "-", "-", "-", "-", "-", "-"}},
    {Event::kEnroll, {"4", "4", "3", "4", "5", "6", "7", "8", "4", "4"}},
    {Event::kArchive, {"-", "-", "-", "-", "-", "-", "-", "-", "9", "10"}},
    {Event::kUnarchive, {"-", "-", "-", "-", "-", "-", "-", "-", "9", "10"}},
    {Event::kStopReplication, {"-", "-", "-", "3", "3", "3", "3", "3", "-", "-"}},
    {Event::kDisconnectFromService, {"10", "10", "10", "10", "10", "10", "10", "10", "-", "-"}},
    {Event::kDelete, {"1", "-", "-", "-", "-", "-", "-", "-", "9", "10"}},
};
// Rows that differ in the lenient profile.
const std::map<Event, Row> kLenient = {
    {Event::kStartCutover, {"-", "-", "-", "-", "8", "8", "8", "8", "-", "-"}},
    {Event::kFinalizeCutover, {"-", "-", "-", "-", "-", "-", "-", "9", "-", "9"}},
    {Event::kTerminateTargetInstances, {"-", "-", "3", "4", "5", "6", "7", "8", "-", "10"}},
    {Event::kDisconnectFromService, {"10", "10", "10", "10", "10", "10", "10", "10", "9", "-"}},
};

std::string Cell(Profile profile, Lifecycle from, Event event) {
  const std::optional<Lifecycle> to = Next(profile, from, event);
  return to ? std::to_string(static_cast<int>(*to)) : "-";
}

TEST(LifecycleTest, EveryStateAndEventInBothProfiles) {
  ASSERT_EQ(kStrict.size(), static_cast<std::size_t>(kEventCount));
  for (const auto& [event, row] : kStrict) {
    const auto lenient = kLenient.find(event);
    for (int state = kFirstLifecycle; state <= kLastLifecycle; ++state) {
      const auto from = static_cast<Lifecycle>(state);
      const auto column = static_cast<std::size_t>(state - 1);
      EXPECT_EQ(Cell(Profile::kStrict, from, event), row[column])
          << Name(event) << " in " << Name(from);
      EXPECT_EQ(Cell(Profile::kLenient, from, event),
                lenient == kLenient.end() ? row[column] : lenient->second[column])
          << Name(event) << " in " << Name(from) << ", lenient";
    }
  }
}

TEST(LifecycleTest, HelpfulCallsReallyHelp) {
  // Following the advice step by step leads to a state that takes the event.
  std::map<std::string, Event> by_name;
  for (int event = 0; event < kEventCount; ++event) {
    by_name[std::string(Name(static_cast<Event>(event)))] = static_cast<Event>(event);
  }
  for (const Profile profile : {Profile::kStrict, Profile::kLenient}) {
    for (int state = kFirstLifecycle; state <= kLastLifecycle; ++state) {
      for (const auto& [name, event] : by_name) {
        Lifecycle at = static_cast<Lifecycle>(state);
        for (int steps = 0; steps < 10 && !Next(profile, at, event); ++steps) {
          const Advice advice = AdviseFor(profile, at, event);
          EXPECT_NE(advice.text, "");
          if (advice.helpful_call.empty()) {  // the agent or the sync must act first
            const auto synced = Next(profile, at, Event::kInitialSyncDone);
            const auto enrolled = Next(profile, at, Event::kEnroll);
            if (!synced && !enrolled) break;
            at = synced ? *synced : *enrolled;
            continue;
          }
          const auto next = Next(profile, at, by_name.at(advice.helpful_call));
          ASSERT_TRUE(next) << advice.helpful_call << " in " << Name(at);
          at = *next;
        }
        EXPECT_TRUE(Next(profile, at, event)) << name << " from " << state;
      }
    }
  }
}

TEST(LifecycleTest, AdviceForCommonMistakes) {
  const auto help = [](Lifecycle from, Event event) {
    return AdviseFor(Profile::kStrict, from, event).helpful_call;
  };
  EXPECT_EQ(help(Lifecycle::kTesting, Event::kStartCutover), "MarkReadyForCutover");
  EXPECT_EQ(help(Lifecycle::kReadyForCutover, Event::kFinalizeCutover), "StartCutover");
  EXPECT_EQ(help(Lifecycle::kCuttingOver, Event::kStartTest), "RevertCutover");
  EXPECT_EQ(help(Lifecycle::kTesting, Event::kTerminateTargetInstances), "MarkReadyForCutover");
  EXPECT_EQ(help(Lifecycle::kReadyForTest, Event::kArchive), "DisconnectFromService");
  EXPECT_EQ(help(Lifecycle::kStopped, Event::kStartTest), "StartReplication");
  EXPECT_EQ(help(Lifecycle::kNotReady, Event::kStartTest), "");
}

}  // namespace
}  // namespace godwit::registry
