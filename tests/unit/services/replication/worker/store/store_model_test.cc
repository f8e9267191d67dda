// Random work on a staging store.
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

// Random work with restarts, takeovers, lost unsynced writes and merges; the agent's part is played
// as decision 0002 has it: what was not covered by a Sync is sent again.
class StoreModelTest : public StoreTest, public ::testing::WithParamInterface<int> {};

TEST_P(StoreModelTest, NothingIsLostOrMixedUp) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  const auto pick = [&](std::uint64_t n) {
    return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random);
  };
  std::map<std::pair<std::size_t, std::uint64_t>, bool> unsynced;
  for (int step = 0; step < 200; ++step) {
    const std::size_t disk = pick(2);
    const std::uint64_t blocks = block::BlockCount(Disks()[disk].size_bytes);
    const std::uint64_t first = pick(blocks),
                        count = 1 + pick(std::min<std::uint64_t>(6, blocks - first));
    switch (pick(17)) {
      case 13:
      case 14:
      case 15:
        Commit(/*interim=*/true);
        unsynced.clear();
        break;
      case 16: {
        ASSERT_OK(group_->Rest().status());
        ExpectPromoted();
        break;
      }
      case 10:
      case 11:
      case 12: {
        const std::uint64_t sectors = now_[disk].size() / 512, sector = pick(sectors);
        const std::uint64_t length = 1 + pick(std::min<std::uint64_t>(300, sectors - sector));
        ASSERT_OK(Patch(disk, sector, length, static_cast<char>(random())));
        for (std::uint64_t b = sector / 128; b <= (sector + length - 1) / 128; ++b)
          unsynced[{disk, b}] = true;
        break;
      }
      case 0:
      case 1:
      case 2:
      case 3:
        ASSERT_OK(Write(disk, first, count, static_cast<char>(random())));
        for (std::uint64_t i = 0; i < count; ++i) unsynced[{disk, first + i}] = true;
        break;
      case 4:
        ASSERT_OK(Zero(disk, first, count));
        for (std::uint64_t i = 0; i < count; ++i) unsynced[{disk, first + i}] = true;
        break;
      case 5:
      case 6:
        ASSERT_OK(group_->Sync());
        unsynced.clear();
        break;
      case 7:
        Commit();
        unsynced.clear();
        break;
      case 8: {
        Open(generation_ + static_cast<std::int64_t>(pick(2)));
        for (const auto& [where, ignored] : unsynced) {
          const std::size_t from = where.second * block::kBlockSize;
          const std::size_t size =
              std::min<std::size_t>(block::kBlockSize, now_[where.first].size() - from);
          block::AlignedBuffer buffer(size);
          std::memcpy(buffer.data(), now_[where.first].data() + from, size);
          if (block::IsZero(buffer.bytes())) {
            ASSERT_OK(group_->Zero(where.first, where.second, 1));
          } else {
            ASSERT_OK(group_->Write(where.first, where.second, buffer.bytes()));
          }
        }
        break;
      }
      case 9: {
        std::vector<std::int64_t> gone;
        for (const auto& [epoch, content] : points_) {
          if (epoch != points_.rbegin()->first && pick(2) == 0) gone.push_back(epoch);
        }
        ASSERT_OK(group_->DeletePoints(gone));
        for (const std::int64_t epoch : gone) points_.erase(epoch);
        break;
      }
    }
    for (std::size_t d = 0; d < 2; ++d) {
      const std::uint64_t b = pick(block::BlockCount(now_[d].size()));
      ASSERT_OK_AND_ASSIGN(const auto digest, group_->DigestAt(d, b));
      const std::size_t from = b * block::kBlockSize;
      if (digest) {
        EXPECT_EQ(*digest, block::DigestOf(
                               {reinterpret_cast<const std::uint8_t*>(now_[d].data()) + from,
                                std::min<std::size_t>(block::kBlockSize, now_[d].size() - from)}));
      }
    }
  }
  Commit();
  for (const auto& [epoch, content] : points_) ExpectPoint(epoch);
  EXPECT_OK(backend_->Check());
}

INSTANTIATE_TEST_SUITE_P(Seeds, StoreModelTest, ::testing::Range(1, 9));

}  // namespace
}  // namespace godwit::store
