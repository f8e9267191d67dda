// A replica that decays: found, named, repaired, reported, and the report checked without a
// service.
#include <sys/wait.h>

#include "tests/e2e/services/replication/cluster_fixture.h"

namespace godwit::testing {
namespace {

TEST_F(ClusterTest, AFlippedByteInStagingIsFoundRepairedAndReported) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  constexpr std::uint64_t kBlock = 75;  // written before the first point, not since
  const std::string base = absl::StrCat(store_, "/groups/", kServer, "/g", Get().lease_generation(),
                                        "/", device_.disk_id, "/base.raw");
  {
    const Fd fd(open(base.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(fd.valid()) << base;
    char byte = 0;
    const off_t at = kBlock * block::kBlockSize + 4711;
    ASSERT_EQ(pread(fd.get(), &byte, 1, at), 1);
    byte ^= 0x10;
    ASSERT_EQ(pwrite(fd.get(), &byte, 1, at), 1);
  }

  pb::VerifyReplicationRequest order;
  order.set_parent(Name());
  order.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(pb::Verification verification,
                       Call(*operator_, &Operator::VerifyReplication, order));
  pb::GetVerificationRequest poll;
  poll.set_name(verification.name());
  ASSERT_TRUE(Eventually([&] {
    const auto answer = Call(*operator_, &Operator::GetVerification, poll);
    if (answer.ok()) verification = *answer;
    return verification.state() == pb::Verification::SUCCEEDED ||
           verification.state() == pb::Verification::FAILED;
  })) << verification.ShortDebugString();
  ASSERT_EQ(verification.state(), pb::Verification::SUCCEEDED) << verification.error_message();
  EXPECT_GE(verification.compared_bytes(), static_cast<std::int64_t>(kBytes)) << "all of it";

  // By this comparison, or by the one that runs all the time.
  ASSERT_TRUE(Eventually([&] { return Get().difference_count() > 0; })) << Get().ShortDebugString();
  const pb::Replication replication = Get();
  EXPECT_EQ(replication.difference_count(), 1);
  ASSERT_EQ(replication.differences_size(), 1);
  const pb::Difference& difference = replication.differences(0);
  EXPECT_EQ(difference.disk_id(), device_.disk_id);
  EXPECT_EQ(difference.offset_bytes(), static_cast<std::int64_t>(kBlock * block::kBlockSize));
  EXPECT_EQ(difference.cause(), pb::Difference::STAGING_DAMAGED);
  ExpectFreshPointEqualsSource();

  const auto check = [&](const std::string& report) {
    const std::string file = cluster_->dir() + "/report.json";
    EXPECT_OK(WriteFileAtomically(file, report));
    auto godwit = Process::Start(
        {.command = {Program("godwit"), "verify-report", file, "--ca",
                     cluster_->dir() + "/ca/ca.crt", "--root-hash", verification.root_hash()},
         .log = cluster_->dir() + "/verify-report.log"});
    EXPECT_OK(godwit);
    const auto status = godwit->Wait(absl::Seconds(20));
    EXPECT_OK(status);
    return WEXITSTATUS(*status);
  };
  EXPECT_EQ(check(verification.report()), 0);
  std::string forged = verification.report();
  const std::size_t at = forged.find("\"report\"");
  ASSERT_NE(at, std::string::npos);
  forged[at + 40] = forged[at + 40] == 'A' ? 'B' : 'A';
  EXPECT_EQ(check(forged), 1) << "a report that was changed proves nothing";
}

}  // namespace
}  // namespace godwit::testing
