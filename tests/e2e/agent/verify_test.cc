// The replica is compared with the source, found wrong where it is, and mended. See
// replication_fixture.h.
#include "tests/e2e/agent/replication_fixture.h"

namespace godwit::agent {
namespace {

class VerifyTest : public ReplicationTest {
 protected:
  void Verify(const std::string& request_id) {
    pb::Directive directive = MakeDirective();
    directive.mutable_verify_order()->set_request_id(request_id);
    engine_->SetDirective(directive);
    for (int i = 0; i < 1200; ++i) {
      if (engine_->Progress().verification().finished_request_id() == request_id) return;
      absl::SleepFor(absl::Milliseconds(50));
    }
    FAIL() << engine_->Progress().ShortDebugString();
  }
  // A byte of the base of the replica, behind everybody's back.
  void Flip(std::uint64_t offset) {
    const std::string base =
        absl::StrCat(dir_ / "store/groups/", kServer, "/g1/", device_.disk_id, "/base.raw");
    const Fd fd(open(base.c_str(), O_RDWR | O_CLOEXEC));
    char byte = 0;
    ASSERT_EQ(pread(fd.get(), &byte, 1, static_cast<off_t>(offset)), 1);
    byte = static_cast<char>(byte ^ 0x10);
    ASSERT_EQ(pwrite(fd.get(), &byte, 1, static_cast<off_t>(offset)), 1);
  }
};

TEST_F(VerifyTest, AFlippedByteIsFoundNamedAndMended) {
  StartAgent();
  AwaitPoint("");
  Verify(NewUuid());
  const pb::VerificationProgress clean = engine_->Progress().verification();
  EXPECT_EQ(clean.difference_count(), 0) << clean.ShortDebugString();
  EXPECT_EQ(clean.finished_compared_bytes(), static_cast<std::int64_t>(kBytes));
  Flip((std::uint64_t{7} << 20) + 12345);
  Flip((std::uint64_t{40} << 20) + 1);
  Verify(NewUuid());
  const pb::VerificationProgress found = engine_->Progress().verification();
  ASSERT_EQ(found.difference_count(), 2) << found.ShortDebugString();
  EXPECT_EQ(found.differences(0).disk_id(), device_.disk_id);
  EXPECT_EQ(found.differences(0).offset_bytes(), 7 << 20);
  EXPECT_EQ(found.differences(1).offset_bytes(), 40 << 20);
  EXPECT_EQ(found.differences(0).cause(), pb::Difference::STAGING_DAMAGED);
  ExpectReplicaEqualsSource();
  Verify(NewUuid());
  EXPECT_EQ(engine_->Progress().verification().difference_count(), 2);
}

// Whoever writes all the time is no difference.
TEST_F(VerifyTest, ChangesMeanwhileAreNoDifferences) {
  StartAgent();
  AwaitPoint("");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    std::mt19937 random(4);
    for (unsigned i = 0; !done; ++i) {
      loop_.Write(random() % (kBytes / 4096) * 4096, 4096, random());
      absl::SleepFor(absl::Milliseconds(2));
    }
  });
  Verify(NewUuid());
  done = true;
  writer.join();
  const pb::VerificationProgress found = engine_->Progress().verification();
  EXPECT_EQ(found.difference_count(), 0) << found.ShortDebugString();
  EXPECT_GT(found.finished_compared_bytes(), static_cast<std::int64_t>(kBytes / 4));
  ExpectReplicaEqualsSource();
}

TEST_F(VerifyTest, ItIsComparedInTheBackground) {
  StartAgent();
  AwaitPoint("");
  Flip((std::uint64_t{3} << 20) + 7);
  for (int i = 0; i < 600 && engine_->Progress().verification().difference_count() == 0; ++i)
    absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(engine_->Progress().verification().difference_count(), 1);
  ExpectReplicaEqualsSource();
}

TEST_F(VerifyTest, APointHasItsRootHashWhenThatIsWanted) {
  StartAgent();
  AwaitPoint("");
  // More than is hashed for a point by itself: scattered over all blocks.
  for (std::uint64_t at = 0; at < kBytes; at += kBlockSize)
    loop_.Write(at, 4096, static_cast<unsigned>(at));
  pb::Directive directive = MakeDirective();
  const std::string request = NewUuid();
  directive.mutable_point_order()->set_request_id(request);
  directive.mutable_point_order()->set_root_hash(true);
  engine_->SetDirective(directive);
  const std::int64_t epoch = AwaitPoint(request);
  absl::MutexLock lock(&mutex_);
  for (const store::PointFacts& point : points_) {
    if (point.epoch != epoch) continue;
    EXPECT_EQ(point.root_hash.size(), 64u);
  }
}

}  // namespace
}  // namespace godwit::agent
