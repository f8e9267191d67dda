#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/backoff.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/domain/job.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

constexpr RetryPolicy kPolicy{.base = absl::Seconds(1), .cap = absl::Seconds(60)};

TEST(Backoff, DoublesUpToTheCap) {
  EXPECT_EQ(Backoff(kPolicy, 1, 0.5), absl::Seconds(1));
  EXPECT_EQ(Backoff(kPolicy, 2, 0.5), absl::Seconds(2));
  EXPECT_EQ(Backoff(kPolicy, 6, 0.5), absl::Seconds(32));
  EXPECT_EQ(Backoff(kPolicy, 7, 0.5), absl::Seconds(60));
  EXPECT_EQ(Backoff(kPolicy, 1000000, 0.5), absl::Seconds(60));
}

TEST(Backoff, SpreadsByHalfEitherWay) {
  EXPECT_EQ(Backoff(kPolicy, 3, 0), absl::Seconds(2));
  EXPECT_EQ(Backoff(kPolicy, 3, 1), absl::Seconds(6));
  EXPECT_EQ(Backoff(kPolicy, 3, 17), absl::Seconds(6)) << "jitter is bounded";
  EXPECT_EQ(Backoff(kPolicy, 0, 0.5), absl::Seconds(1));
}

TEST(Aggregate, TheWorstEndingWinsWhenAllHaveEnded) {
  using enum RunState;
  EXPECT_EQ(Aggregate({kReady, kReady}, false), JobState::kPending);
  EXPECT_EQ(Aggregate({kReady, kRunning}, false), JobState::kRunning);
  EXPECT_EQ(Aggregate({kSucceeded, kReady}, false), JobState::kRunning);
  EXPECT_EQ(Aggregate({kFailed, kUndoing}, true), JobState::kCancelling);
  EXPECT_EQ(Aggregate({kSucceeded, kSucceeded}, false), JobState::kSucceeded);
  EXPECT_EQ(Aggregate({kSucceeded, kCancelled}, true), JobState::kCancelled);
  EXPECT_EQ(Aggregate({kCancelled, kFailed, kSucceeded}, true), JobState::kFailed);
}

TEST(Errors, ClassesFollowFromCodesAndMarks) {
  EXPECT_EQ(Classify(absl::UnavailableError("")), ErrorClass::kRetryable);
  EXPECT_EQ(Classify(absl::InternalError("")), ErrorClass::kRetryable);
  EXPECT_EQ(Classify(absl::InvalidArgumentError("")), ErrorClass::kPermanent);
  EXPECT_EQ(Classify(absl::NotFoundError("")), ErrorClass::kPermanent);
  EXPECT_EQ(Classify(Permanent(absl::UnavailableError(""))), ErrorClass::kPermanent);
  EXPECT_EQ(Classify(LostLease()), ErrorClass::kLostLease);
  EXPECT_EQ(Classify(Annotate(LostLease(), "step x")), ErrorClass::kLostLease);
  EXPECT_EQ(Classify(Stopping()), ErrorClass::kStopping);
  EXPECT_EQ(Classify(CancelRequested()), ErrorClass::kCancelled);
  EXPECT_EQ(Classify(absl::CancelledError("a peer said so")), ErrorClass::kPermanent);
}

TEST(Errors, FindTheStableWord) {
  EXPECT_EQ(ReasonOf("step prove_boot: KERNEL_PANIC: it says so"), "KERNEL_PANIC");
  EXPECT_EQ(ReasonOf("NO_BOOTABLE_DEVICE: x"), "NO_BOOTABLE_DEVICE");
  EXPECT_EQ(ReasonOf("something else"), "");
}

TEST(Derived, NamesFollowFromTheRun) {
  EXPECT_OK(CheckUuid("id", DerivedUuid("a")));
  EXPECT_EQ(DerivedUuid("a"), DerivedUuid("a"));
  EXPECT_NE(DerivedUuid("a"), DerivedUuid("b"));
  EXPECT_OK(CheckId("id", "i-", MachineId("job-1", "s-1")));
  EXPECT_NE(MachineId("job-1", "s-1"), MachineId("job-2", "s-1"));
  std::set<std::string> addresses;
  for (int i = 0; i < 8; ++i) {
    addresses.insert(DerivedMac("i-1", i));
    EXPECT_TRUE(IsMac(DerivedMac("i-1", i)));
  }
  EXPECT_EQ(addresses.size(), 8u);
}

TEST(Derived, KnowsUnicastAddresses) {
  EXPECT_TRUE(IsMac("52:54:00:AB:cd:ef"));
  EXPECT_FALSE(IsMac("00:00:00:00:00:00"));
  EXPECT_FALSE(IsMac("01:00:5e:00:00:01")) << "multicast";
  EXPECT_FALSE(IsMac("52-54-00-ab-cd-ef"));
  EXPECT_FALSE(IsMac("52:54:00:ab:cd:ef,romfile=/etc/shadow"));
  EXPECT_FALSE(IsMac(""));
}

}  // namespace
}  // namespace godwit::jobs
