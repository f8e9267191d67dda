// A real agent replicates a disk to a store in Ceph: initial sync, following, a takeover.
#include "tests/e2e/agent/replication_fixture.h"
#include "tests/rbd/rbd_backend.h"
#include "tests/unit/services/replication/worker/store/store_backend.h"

namespace godwit::agent {
namespace {

class RbdAgentTest : public ReplicationTest {
 protected:
  absl::StatusOr<std::unique_ptr<store::Store>> MakeStore() override {
    return store::MakeBackend(dir_.path())->Open();
  }
  std::int64_t Epoch() {
    const auto hosted = host_->Open(kServer, generation_);
    return hosted.ok() ? (*hosted)->group->committed_epoch() : 0;
  }
  std::int64_t Points() {
    absl::MutexLock lock(&mutex_);
    return static_cast<std::int64_t>(points_.size());
  }
  // Writes 4 KiB at random places until `epochs` more are committed that are no points.
  void AwaitInterim(std::int64_t epochs, unsigned seed) {
    std::mt19937 random(seed);
    const std::int64_t before = Epoch() - Points();
    const absl::Time end = absl::Now() + absl::Seconds(40);
    while (Epoch() - Points() < before + epochs) {
      ASSERT_LT(absl::Now(), end) << engine_->Progress().ShortDebugString();
      loop_.Write(random() % (kBytes / 4096) * 4096, 4096, random());
      absl::SleepFor(absl::Milliseconds(2));
    }
  }
};

TEST_F(RbdAgentTest, ItIsFollowedAndTakenOver) {
  StartAgent();
  AwaitPoint("");
  AwaitInterim(5, 1);
  ExpectReplicaEqualsSource();
  // Another worker, while the source goes on writing; the former one closes nothing.
  const auto former = host_->Open(kServer, generation_);
  ASSERT_OK(former);
  StopWorker();
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) loop_.Write(random() % (kBytes / 4096) * 4096, 4096, random());
  StartWorker(generation_ + 1);
  Direct("");
  AwaitInterim(3, 2);
  EXPECT_EQ((*former)->group->Sync().code(), absl::StatusCode::kAborted);
  ExpectReplicaEqualsSource();
}

}  // namespace
}  // namespace godwit::agent
