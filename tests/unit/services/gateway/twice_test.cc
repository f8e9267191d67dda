#include "services/gateway/clients/twice.h"

#include <gtest/gtest.h>

#include <vector>

#include "services/common/base/clock.h"

namespace godwit::gateway {
namespace {

// What TryTwice() says of calls that end like this, and how many it made.
std::pair<absl::StatusCode, std::size_t> Ended(const std::vector<absl::Status>& answers,
                                               absl::Duration left = absl::Seconds(20)) {
  std::size_t calls = 0;
  const absl::Status status = TryTwice(SteadyNow() + left, [&] { return answers.at(calls++); });
  return {status.code(), calls};
}

TEST(TwiceTest, AsksOnceMoreWhatAnotherCopyMayAnswer) {
  using Code = absl::StatusCode;
  using End = std::pair<absl::StatusCode, std::size_t>;
  const absl::Status ok;
  EXPECT_EQ(Ended({ok}), End(Code::kOk, 1));
  for (const auto& status : {absl::UnavailableError("x"), absl::CancelledError("x"),
                             absl::AbortedError("x"), absl::UnknownError("x")}) {
    EXPECT_EQ(Ended({status, ok}), End(Code::kOk, 2)) << status;
    EXPECT_EQ(Ended({status}, absl::Milliseconds(1)), End(status.code(), 1)) << "no time is left";
  }
  const absl::Status away = absl::UnavailableError("x");
  EXPECT_EQ(Ended({away, away}), End(Code::kUnavailable, 2)) << "not a third time";
  EXPECT_EQ(Ended({away, absl::NotFoundError("x")}), End(Code::kNotFound, 2));
  for (const auto& status :
       {absl::NotFoundError("x"), absl::InternalError("x"), absl::DeadlineExceededError("x"),
        absl::ResourceExhaustedError("x"), absl::FailedPreconditionError("x")}) {
    EXPECT_EQ(Ended({status}), End(status.code(), 1)) << status;
  }
}

TEST(TwiceTest, ReadsAreKnownByTheirRequests) {
  for (const char* read : {"GetJobRequest", "ListSourceServersRequest", "GetSigningKeyRequest"}) {
    EXPECT_TRUE(OnlyReads(read)) << read;
  }
  for (const char* change : {"StartLaunchRequest", "CreateWaveRequest", "DeleteJobRequest",
                             "UpdateWaveRequest", "ServerVerbRequest", ""}) {
    EXPECT_FALSE(OnlyReads(change)) << change;
  }
}

}  // namespace
}  // namespace godwit::gateway
