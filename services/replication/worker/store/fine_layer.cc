#include "services/replication/worker/store/fine_layer.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "services/common/base/status_macros.h"

namespace godwit::store {

absl::Status WriteFineLayer(const std::string& path, std::uint64_t disk_bytes,
                            const Backing& backing, const DeltaPages& pages, const BlockFile& log,
                            const SealedBlocks& below) {
  unlink(path.c_str());
  ASSIGN_OR_RETURN(BlockFile layer, BlockFile::Open(path, BlockFile::Mode::kCreate));
  struct Live {
    std::uint64_t offset, page;
    std::uint8_t sectors;
  };
  std::vector<Live> live;
  LayerTable table{.cluster_bytes = kPageBytes};
  for (const auto& [page, place] : pages) {
    if (place.offset != DeltaPage::kZero) {
      live.push_back({place.offset, page, place.sectors});
    } else {
      table.placed.push_back({.block = page, .offset = Placed::kZero});
    }
  }
  std::sort(live.begin(), live.end(),
            [](const Live& a, const Live& b) { return a.offset < b.offset; });
  constexpr std::uint64_t kAtOnce = std::uint64_t{1} << 20;
  block::AlignedBuffer in(kAtOnce), out(kAtOnce), old(kPageBytes);
  std::uint64_t cluster = 1;
  std::size_t used = 0;
  const auto flush = [&]() {
    const std::uint64_t first = cluster - used / kPageBytes;
    return layer.Write(first * kPageBytes, out.bytes().first(std::exchange(used, 0)));
  };
  for (std::size_t i = 0; i < live.size();) {
    // One read for what lies within 1 MiB.
    const std::uint64_t start = live[i].offset;
    std::size_t end = i;
    while (end < live.size() && live[end].offset + kPageBytes - start <= kAtOnce) ++end;
    RETURN_IF_ERROR(
        log.ReadOnce(start, in.bytes().first(live[end - 1].offset + kPageBytes - start)));
    for (; i < end; ++i) {
      if (used == out.size()) RETURN_IF_ERROR(flush());
      const block::MutableBytes to = out.bytes().subspan(used, kPageBytes);
      if (live[i].sectors != 0xff) {
        std::memset(to.data(), 0, kPageBytes);
        const std::uint64_t at = live[i].page * kPageBytes;
        RETURN_IF_ERROR(below.ReadPage(
            live[i].page, to.first(std::min<std::uint64_t>(kPageBytes, disk_bytes - at))));
      }
      CopySectors(live[i].sectors, in.data() + (live[i].offset - start), to);
      table.placed.push_back({.block = live[i].page, .offset = cluster++ * kPageBytes});
      used += kPageBytes;
    }
  }
  RETURN_IF_ERROR(flush());
  std::sort(table.placed.begin(), table.placed.end(),
            [](const Placed& a, const Placed& b) { return a.block < b.block; });
  return SealQcow2(layer, disk_bytes, backing, cluster, table);
}

}  // namespace godwit::store
