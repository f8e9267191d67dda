// A disk whose tables and file systems are not trusted: whatever they say, looking at them ends,
// and what is picked lies on the disk, no block of it twice.
#include <algorithm>
#include <cstring>
#include <set>

#include "agent/boot/dm_table.h"
#include "agent/boot/fat_map.h"
#include "agent/boot/inode_map.h"
#include "agent/boot/partitions.h"
#include "services/common/base/check.h"

namespace godwit::agent {
namespace {

constexpr std::uint64_t kBytes = (std::uint64_t{256} << 10) + 4096;

// The first byte says what the disk is: the superblock or table comes next, and what is left over
// is repeated to the end of the disk.
void Look(std::uint8_t kind, absl::string_view input) {
  std::string content(kBytes, '\0');
  const std::size_t at = kind % 4 == 0 ? 1024 : 0;
  const std::size_t head = std::min<std::size_t>(input.size(), kind % 4 == 0 ? 1024 : 512);
  std::memcpy(content.data() + at, input.data(), head);
  const absl::string_view rest = input.substr(head);
  for (std::size_t i = 4096; i < kBytes && !rest.empty(); i += rest.size())
    std::memcpy(content.data() + i, rest.data(), std::min(rest.size(), kBytes - i));
  if (kind % 4 == 0) std::memcpy(content.data() + 1024 + 0x38, "\x53\xef", 2);
  if (kind % 4 == 1) std::memcpy(content.data(), "XFSB", 4);
  if (kind % 4 >= 2) std::memcpy(content.data() + 510, "\x55\xaa", 2);

  Picker picker({{.size_bytes = kBytes,
                  .read =
                      [&](std::uint64_t block, block::MutableBytes out) {
                        GODWIT_CHECK(block * block::kBlockSize + out.size() <= kBytes);
                        std::memcpy(out.data(), content.data() + block * block::kBlockSize,
                                    out.size());
                        return absl::OkStatus();
                      }}},
                {.bytes = kBytes, .time = absl::Seconds(1)});
  const Volume volume = PartOf(0, 0, kBytes);
  if (kind % 4 == 3) {
    const auto found = FindPartitions(picker, 0);
    if (found.ok()) {
      for (const Partition& partition : *found)
        GODWIT_CHECK(partition.size > 0 && partition.first + partition.size <= kBytes);
    }
  } else if (kind % 4 == 2) {
    PickFat(picker, volume).IgnoreError();
  } else {
    auto map = kind % 4 == 0 ? MakeExtMap(picker, volume) : MakeXfsMap(picker, volume);
    if (map.ok()) {
      (*map)->PickBase().IgnoreError();
      for (const std::uint64_t inode : {2, 12, 64, 128, 131, 100000})
        (*map)->PickInode(inode, 1 << 20).IgnoreError();
    }
  }
  std::set<std::uint64_t> seen;
  for (const FirstRun& run : picker.Take()) {
    GODWIT_CHECK(run.disk == 0 && run.count > 0);
    for (std::uint64_t i = 0; i < run.count; ++i) {
      GODWIT_CHECK((run.first + i) * block::kBlockSize < kBytes);
      GODWIT_CHECK(seen.insert(run.first + i).second);
    }
  }
}

}  // namespace
}  // namespace godwit::agent

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  godwit::agent::Look(data[0], input.substr(1));
  const auto parts = godwit::agent::ParseLinear(input);
  if (parts.ok()) {
    std::uint64_t expected = 0;
    for (const godwit::agent::LinearPart& part : *parts) {
      GODWIT_CHECK(part.first == expected && part.size > 0);
      expected += part.size;
    }
  }
  return 0;
}
