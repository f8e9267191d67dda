#include "services/replication/worker/store/copy_clusters.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/qcow2.h"

namespace godwit::store {
namespace {

constexpr std::uint64_t kAtOnce = std::uint64_t{1} << 20;

}  // namespace

absl::Status CopyClusters(
    std::vector<WantedCluster> wanted, const std::vector<const BlockFile*>& sources,
    std::uint32_t cluster_bytes, BlockFile& to,
    const std::function<absl::Status(const WantedCluster&, block::MutableBytes)>& content,
    const std::function<void(const WantedCluster&, std::uint64_t offset)>& placed) {
  std::sort(wanted.begin(), wanted.end(), [](const WantedCluster& a, const WantedCluster& b) {
    return std::tie(a.source, a.offset) < std::tie(b.source, b.offset);
  });
  block::AlignedBuffer in(kAtOnce), out(kAtOnce);
  // Offset of what is gathered.
  std::uint64_t written = FirstDataCluster(to, cluster_bytes) * cluster_bytes;
  std::size_t used = 0;
  const auto flush = [&]() -> absl::Status {
    RETURN_IF_ERROR(to.Write(written, out.bytes().first(used)));
    written += used;
    used = 0;
    return absl::OkStatus();
  };
  for (std::size_t i = 0; i < wanted.size();) {
    // One read for what lies within 1 MiB.
    const WantedCluster& first = wanted[i];
    std::size_t end = i;
    while (end < wanted.size() && wanted[end].source == first.source &&
           wanted[end].offset + cluster_bytes - first.offset <= kAtOnce)
      ++end;
    const std::uint64_t start = first.offset;
    RETURN_IF_ERROR(sources[first.source]->ReadOnce(
        start, in.bytes().first(wanted[end - 1].offset + cluster_bytes - start)));
    for (; i < end; ++i) {
      if (used == out.size()) RETURN_IF_ERROR(flush());
      const block::MutableBytes cluster = out.bytes().subspan(used, cluster_bytes);
      std::memcpy(cluster.data(), in.data() + (wanted[i].offset - start), cluster_bytes);
      if (content) RETURN_IF_ERROR(content(wanted[i], cluster));
      placed(wanted[i], written + used);
      used += cluster_bytes;
    }
  }
  return flush();
}

}  // namespace godwit::store
