// Journals as a power cut (or worse) leaves them: what is read is what is appended to, and what was
// appended is read.
//   1 byte    odd: the checksums of all records are made right first; 2: a hole follows the bytes
//   the rest  the file
#include <vector>

#include "services/common/base/check.h"
#include "services/replication/worker/store/journal.h"
#include "tests/fuzz/targets/input.h"
#include "tests/fuzz/targets/memory_file.h"
#include "tests/fuzz/targets/placed.h"

namespace {

using godwit::store::Journal;
using godwit::store::Placed;

bool Same(const Placed& a, const Placed& b) {
  return a.block == b.block && a.offset == b.offset && a.digest == b.digest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  godwit::fuzz::Input input(data, size);
  const std::uint8_t mode = input.Take<std::uint8_t>();
  std::vector<std::uint8_t> bytes(input.rest().begin(), input.rest().end());
  if (mode % 2 == 1) godwit::fuzz::MendRecords(&bytes);
  godwit::fuzz::MemoryFile file(bytes.data(), bytes.size());
  if ((mode & 2) != 0) file.Extend(std::uint64_t{15} << 30);

  const auto read = Journal::Read(file.path());
  std::vector<Placed> records;
  auto journal = Journal::Open(file.path(), &records);
  GODWIT_CHECK(read.ok() && journal.ok());
  GODWIT_CHECK(read->size() == records.size());
  GODWIT_CHECK(records.size() <= bytes.size() / godwit::store::kPlacedBytes);
  if (mode % 2 == 1) GODWIT_CHECK(records.size() == bytes.size() / godwit::store::kPlacedBytes);

  std::vector<Placed> more = {{.block = size, .offset = Placed::kZero},
                              {.block = 7, .offset = mode}};
  GODWIT_CHECK(journal->Append(more).ok());
  GODWIT_CHECK(journal->Append({more[1]}).ok());
  more.push_back(more[1]);
  const auto again = Journal::Read(file.path());
  GODWIT_CHECK(again.ok() && again->size() == records.size() + more.size());
  for (std::size_t i = 0; i < again->size(); ++i) {
    GODWIT_CHECK(Same((*again)[i], i < records.size() ? records[i] : more[i - records.size()]));
  }
  return 0;
}
