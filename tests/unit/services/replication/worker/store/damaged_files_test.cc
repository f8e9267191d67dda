// Files of a store that are not as this code wrote them: found out, and never believed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "services/common/base/file.h"
#include "services/replication/worker/store/journal.h"
#include "services/replication/worker/store/qcow2.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::store {
namespace {

using block::kBlockSize;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

TEST(Journal, AHoleIsNotMemory) {
  TempDir dir;
  std::vector<Placed> records;
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Journal::Open(dir / "j", &records));
    ASSERT_OK(journal.Append({{.block = 1, .offset = kBlockSize}}));
  }
  ASSERT_EQ(truncate((dir / "j").c_str(), off_t{15} << 30), 0);
  ASSERT_OK_AND_ASSIGN(records, Journal::Read(dir / "j"));
  EXPECT_EQ(records.size(), 1u);
  EXPECT_LT(records.capacity(), 1000u);
}

// A layer with two data clusters and a table of `blocks`.
absl::Status Seal(const std::string& path, const std::vector<Placed>& blocks) {
  auto file = BlockFile::Open(path, BlockFile::Mode::kCreate);
  if (!file.ok()) return file.status();
  return SealQcow2(*file, 100 * kBlockSize, {}, 3, {.placed = blocks});
}

// Seals good blocks, then writes `record` over record `at` of the table, with a right checksum.
absl::StatusOr<LayerTable> ReadChanged(std::size_t at, const Placed& record) {
  TempDir dir;
  const std::vector<Placed> blocks = {{.block = 4, .offset = kBlockSize},
                                      {.block = 5, .offset = 2 * kBlockSize},
                                      {.block = 9, .offset = Placed::kZero}};
  if (const absl::Status sealed = Seal(dir / "layer", blocks); !sealed.ok()) return sealed;
  absl::StatusOr<std::string> bytes = ReadFile(dir / "layer");
  if (!bytes.ok()) return bytes.status();
  std::uint8_t first[kPlacedBytes], other[kPlacedBytes];
  EncodePlaced(blocks[0], first);
  EncodePlaced(record, other);
  const std::size_t table =
      bytes->find(std::string(reinterpret_cast<const char*>(first), kPlacedBytes));
  if (table == std::string::npos) return absl::InternalError("no table");
  std::memcpy(bytes->data() + table + at * kPlacedBytes, other, kPlacedBytes);
  if (const absl::Status written = WriteFileAtomically(dir / "layer", *bytes); !written.ok())
    return written;
  return ReadLayerTable(dir / "layer");
}

TEST(LayerTable, PlacesAreInsideOfTheImageAndBlocksInOrder) {
  EXPECT_OK(ReadChanged(1, {.block = 6, .offset = kBlockSize}));
  EXPECT_OK(ReadChanged(1, {.block = 5, .offset = Placed::kZero}));
  for (const std::uint64_t offset : {std::uint64_t{kBlockSize + 512}, std::uint64_t{1} << 40,
                                     std::uint64_t{1} << 63, Placed::kZero - kBlockSize + 1}) {
    EXPECT_THAT(ReadChanged(1, {.block = 5, .offset = offset}),
                StatusIs(absl::StatusCode::kDataLoss, "out of the image"));
  }
  for (const std::uint64_t block : {4, 3, 9, 10}) {
    EXPECT_THAT(ReadChanged(1, {.block = block, .offset = kBlockSize}),
                StatusIs(absl::StatusCode::kDataLoss, "order"));
  }
}

}  // namespace
}  // namespace godwit::store
