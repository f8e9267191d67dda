// Layers of a staging store: a table that is accepted names each block once, in order, and no place
// that is not inside of the image.
//   1 byte    odd: the checksums of all records behind the first 128 bytes are made right first
//   the rest  the file
#include "services/common/base/check.h"
#include "services/replication/worker/store/qcow2.h"
#include "tests/fuzz/targets/input.h"
#include "tests/fuzz/targets/memory_file.h"
#include "tests/fuzz/targets/placed.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using godwit::store::Placed;
  godwit::fuzz::Input input(data, size);
  const std::uint8_t mode = input.Take<std::uint8_t>();
  std::vector<std::uint8_t> bytes(input.rest().begin(), input.rest().end());
  if (mode % 2 == 1) godwit::fuzz::MendRecords(&bytes, 128);
  const godwit::fuzz::MemoryFile file(bytes.data(), bytes.size());
  const auto table = godwit::store::ReadLayerTable(file.path());
  if (!table.ok()) {
    // An encrypted one is not read without its key.
    GODWIT_CHECK(absl::IsDataLoss(table.status()) || absl::IsFailedPrecondition(table.status()));
    return 0;
  }
  const std::vector<Placed>& blocks = table->placed;
  GODWIT_CHECK(blocks.size() <= bytes.size() / godwit::store::kPlacedBytes);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Placed& placed = blocks[i];
    if (i > 0) GODWIT_CHECK(placed.block > blocks[i - 1].block);
    if (placed.offset == Placed::kZero) continue;
    GODWIT_CHECK(placed.offset % table->cluster_bytes == 0 && placed.offset < bytes.size());
  }
  return 0;
}
