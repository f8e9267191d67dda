#include "services/replication/worker/store/fine_layer.h"

#include <algorithm>
#include <cstring>

#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/copy_clusters.h"

namespace godwit::store {

absl::Status WriteFineLayer(const std::string& path, std::uint64_t disk_bytes,
                            const Backing& backing, const DeltaPages& pages, const BlockFile& log,
                            const SealedBlocks& below, const crypt::GroupKeyPtr& group) {
  ASSIGN_OR_RETURN(BlockFile layer, NewLayer(path, group));
  std::vector<WantedCluster> wanted;
  LayerTable table{.cluster_bytes = kPageBytes};
  for (const auto& [page, place] : pages) {
    if (place.offset != DeltaPage::kZero) {
      wanted.push_back({.offset = place.offset, .number = page});
    } else {
      table.placed.push_back({.block = page, .offset = Placed::kZero});
    }
  }
  const std::size_t copied = wanted.size();
  block::AlignedBuffer old(kPageBytes);
  const auto complete = [&](const WantedCluster& page, block::MutableBytes content) {
    const std::uint8_t sectors = pages.at(page.number).sectors;
    if (sectors == 0xff) return absl::OkStatus();
    std::memset(old.data(), 0, kPageBytes);
    const std::uint64_t at = page.number * kPageBytes;
    const absl::Status read = below.ReadPage(
        page.number, old.bytes().first(std::min<std::uint64_t>(kPageBytes, disk_bytes - at)));
    CopySectors(static_cast<std::uint8_t>(~sectors), old.data(), content);
    return read;
  };
  RETURN_IF_ERROR(CopyClusters(std::move(wanted), {&log}, kPageBytes, layer, complete,
                               [&](const WantedCluster& page, std::uint64_t offset) {
                                 table.placed.push_back({.block = page.number, .offset = offset});
                               }));
  std::sort(table.placed.begin(), table.placed.end(),
            [](const Placed& a, const Placed& b) { return a.block < b.block; });
  return SealQcow2(layer, disk_bytes, backing, FirstDataCluster(layer, kPageBytes) + copied, table);
}

}  // namespace godwit::store
