// Delta logs as a power cut (or worse) leaves them: every page that is found lies inside of its
// disk, and its content inside of the file.
//   1 byte    odd: the checksums of all heads are made right first
//   the rest  the file
#include <cstring>
#include <vector>

#include "absl/base/internal/endian.h"
#include "services/common/base/check.h"
#include "services/common/block/hash.h"
#include "services/replication/worker/store/delta_log.h"
#include "tests/fuzz/targets/input.h"
#include "tests/fuzz/targets/memory_file.h"

namespace {

using godwit::store::DeltaLog;
using godwit::store::DeltaPage;
using godwit::store::DeltaPages;
using godwit::store::DiskSpec;
using godwit::store::kPageBytes;

// As delta_log.cc has it: page sums at the end of a head, the content's sum at 16.
void MendHeads(std::vector<std::uint8_t>* bytes) {
  constexpr std::size_t kSumAt = kPageBytes - 8;
  std::uint64_t sequence = 0;
  for (std::size_t at = 0; at + kPageBytes <= bytes->size();) {
    std::uint8_t* const head = bytes->data() + at;
    std::size_t content = 0;
    if (at > 0) {
      const std::uint32_t entries = absl::little_endian::Load32(head + 4);
      if (entries > 200) return;
      for (std::size_t i = 0; i < entries; ++i) {
        if (absl::little_endian::Load64(head + 28 + i * 19 + 8) == 0) content += kPageBytes;
      }
      if (at + kPageBytes + content > bytes->size()) return;
      absl::little_endian::Store64(head + 8, sequence++);
      absl::little_endian::Store64(head + 16,
                                   godwit::block::Checksum({head + kPageBytes, content}));
    }
    absl::little_endian::Store64(head + kSumAt, godwit::block::Checksum({head, kSumAt}));
    at += kPageBytes + content;
  }
}

void Check(const std::vector<DeltaPages>& pages, const std::vector<DiskSpec>& disks,
           std::size_t file_bytes) {
  GODWIT_CHECK(pages.size() == disks.size());
  for (std::size_t i = 0; i < pages.size(); ++i) {
    for (const auto& [page, place] : pages[i]) {
      GODWIT_CHECK(page * kPageBytes < disks[i].size_bytes);
      GODWIT_CHECK(place.offset == DeltaPage::kZero ||
                   (place.offset % kPageBytes == 0 && place.offset + kPageBytes <= file_bytes));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  godwit::fuzz::Input input(data, size);
  const std::uint8_t mode = input.Take<std::uint8_t>();
  std::vector<std::uint8_t> bytes(input.rest().begin(), input.rest().end());
  if (mode % 2 == 1) MendHeads(&bytes);
  const godwit::fuzz::MemoryFile file(bytes.data(), bytes.size());
  const std::vector<DiskSpec> disks = {
      {.disk_id = "d-00000000000000001", .size_bytes = std::uint64_t{40} << 16},
      {.disk_id = "d-00000000000000002", .size_bytes = (std::uint64_t{25} << 16) + 1536}};
  const auto found = DeltaLog::Read(file.path(), disks);
  if (!found.ok()) {
    GODWIT_CHECK(found.status().code() == absl::StatusCode::kDataLoss);
    return 0;
  }
  if (*found == nullptr) return 0;
  Check((*found)->committed_pages, disks, bytes.size());
  Check((*found)->later_pages, disks, bytes.size());
  return 0;
}
