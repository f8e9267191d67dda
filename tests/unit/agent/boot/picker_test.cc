#include "agent/boot/picker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using block::kBlockSize;
using ::testing::ElementsAre;
using ::testing::FieldsAre;

// Each byte tells its disk and block.
PickedDisk Disk(std::uint64_t bytes, int number) {
  return {.size_bytes = bytes, .read = [number](std::uint64_t block, block::MutableBytes out) {
            std::fill(out.begin(), out.end(), static_cast<std::uint8_t>(100 * number + block));
            return absl::OkStatus();
          }};
}

TEST(Picker, StagesAreInOrderAndNoBlockComesTwice) {
  Picker picker({Disk(20 * kBlockSize, 0), Disk(20 * kBlockSize, 1)}, {});
  const Volume first = PartOf(0, 0, 20 * kBlockSize), second = PartOf(1, 0, 20 * kBlockSize);
  EXPECT_OK(picker.Pick(second, 3 * kBlockSize, 1));
  EXPECT_OK(picker.Pick(first, 5 * kBlockSize - 1, 2));
  picker.EndStage();
  EXPECT_OK(picker.Pick(first, 5 * kBlockSize, 2 * kBlockSize));
  EXPECT_OK(picker.Pick(first, 0, 1));
  EXPECT_THAT(picker.Take(), ElementsAre(FieldsAre(0, 4, 2), FieldsAre(1, 3, 1), FieldsAre(0, 0, 1),
                                         FieldsAre(0, 6, 1)));
}

TEST(Picker, AVolumeOfPieces) {
  Picker picker({Disk(20 * kBlockSize, 0), Disk(20 * kBlockSize, 1)}, {});
  const Volume volume = {{.first = 0, .size = kBlockSize, .disk = 0, .at = 2 * kBlockSize},
                         {.first = kBlockSize, .size = 100, .disk = 1, .at = 7 * kBlockSize - 50}};
  ASSERT_OK_AND_ASSIGN(const std::string read, picker.Read(volume, kBlockSize - 2, 102));
  EXPECT_EQ(read, std::string(2, 2) + std::string(50, 106) + std::string(50, 107));
  EXPECT_THAT(picker.Take(), ElementsAre(FieldsAre(0, 2, 1), FieldsAre(1, 6, 2)));
  EXPECT_EQ(picker.Pick(volume, kBlockSize, 101).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(picker.Pick(volume, UINT64_MAX, 2).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(picker.Pick({}, 0, 1).code(), absl::StatusCode::kOutOfRange);
  EXPECT_OK(picker.Pick(volume, 0, 0));
  EXPECT_OK(picker.spent());
}

TEST(Picker, AVolumeThatReachesBehindItsDisk) {
  Picker picker({Disk(kBlockSize + 10, 0)}, {});
  const Volume volume = PartOf(0, kBlockSize, 100);
  EXPECT_OK(picker.Pick(volume, 0, 10));
  EXPECT_EQ(picker.Pick(volume, 0, 11).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(picker.Pick(PartOf(1, 0, 10), 0, 1).code(), absl::StatusCode::kOutOfRange);
}

TEST(Picker, LimitsLast) {
  Picker picker({Disk(20 * kBlockSize, 0)}, {.bytes = 2 * kBlockSize});
  const Volume volume = PartOf(0, 0, 20 * kBlockSize);
  EXPECT_EQ(picker.Pick(volume, 0, 3 * kBlockSize).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(picker.Pick(volume, 0, 1).ok());
  EXPECT_FALSE(picker.Name().ok());
  EXPECT_THAT(picker.Take(), ElementsAre(FieldsAre(0, 0, 2)));

  Picker late({Disk(20 * kBlockSize, 0)}, {.time = -absl::Seconds(1)});
  EXPECT_EQ(late.Pick(volume, 0, 1).code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace godwit::agent
