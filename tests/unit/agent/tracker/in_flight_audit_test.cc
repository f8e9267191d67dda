#include "agent/tracker/in_flight_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/clock.h"

namespace godwit::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class InFlightAuditTest : public ::testing::Test {
 protected:
  std::vector<std::size_t> Check(bool exact) {
    std::vector<std::size_t> suspects;
    audit_.Check(exact, [&](std::size_t slot) { suspects.push_back(slot); });
    return suspects;
  }
  std::vector<std::int64_t> slots_ = std::vector<std::int64_t>(64);
  InFlightAudit audit_{slots_};
};

TEST_F(InFlightAuditTest, WhatEndsSoonIsNotSuspected) {
  EXPECT_THAT(Check(true), IsEmpty());
  slots_[5] = 8;
  EXPECT_THAT(Check(false), IsEmpty());
  std::thread ends([&] {
    absl::SleepFor(absl::Milliseconds(10));
    std::atomic_ref<std::int64_t>(slots_[5]).fetch_sub(8);
  });
  EXPECT_THAT(Check(true), IsEmpty());
  ends.join();
}

TEST_F(InFlightAuditTest, AMissedEndIsToldOnceAndForgottenInTheEnd) {
  slots_[7] = 16;
  EXPECT_THAT(Check(true), ElementsAre(7));
  EXPECT_THAT(Check(true), IsEmpty());
  slots_[7] += 8;  // and another one
  EXPECT_THAT(Check(true), ElementsAre(7));
  absl::SleepFor(InFlightAudit::kPatience);
  EXPECT_THAT(Check(false), ElementsAre(7)) << "for good: the first may have ended since";
  EXPECT_EQ(slots_[7], 8);
  EXPECT_THAT(Check(true), ElementsAre(7)) << "the second one";
}

// A slot that is busy all the time, with different requests: its smallest value is what is missing.
TEST_F(InFlightAuditTest, ABusySlotIsKnownByItsFloor) {
  std::atomic<bool> done = false;
  std::atomic_ref<std::int64_t>(slots_[3]).fetch_add(4);  // missed
  std::thread busy([&] {
    while (!done) {
      std::atomic_ref<std::int64_t>(slots_[3]).fetch_add(8);
      absl::SleepFor(absl::Milliseconds(1));
      std::atomic_ref<std::int64_t>(slots_[3]).fetch_sub(8);
    }
  });
  const absl::Time end = absl::Now() + absl::Seconds(10);
  bool told = false;
  while (absl::Now() < end && !told) told = !Check(false).empty();
  done = true;
  busy.join();
  EXPECT_TRUE(told);
  EXPECT_LE(slots_[3], 0);
}

// Requests that were under way when the programs came end without having begun.
TEST_F(InFlightAuditTest, WhatWasUnderWayAtTheStartIsNotOwed) {
  slots_[9] = -8;
  EXPECT_THAT(Check(true), IsEmpty());
  EXPECT_EQ(slots_[9], 0);
  slots_[9] = 8;
  EXPECT_THAT(Check(true), ElementsAre(9));
}

}  // namespace
}  // namespace godwit::agent
