#include "services/replication/worker/store/merge.h"

#include <algorithm>

#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/copy_clusters.h"
#include "services/replication/worker/store/manifest.h"
#include "services/replication/worker/store/qcow2.h"

namespace godwit::store {
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;

namespace {

// Walks through a layer cluster by cluster, in pages when `fine`.
class Cursor {
 public:
  Cursor(BlockFile file, LayerTable table, std::uint64_t end_page, bool fine)
      : file_(std::move(file)),
        table_(std::move(table)),
        end_page_(end_page),
        pages_(fine && !table_.fine() ? kPagesPerBlock : 1) {}
  bool done() const { return at_ >= table_.placed.size(); }
  std::uint64_t number() const { return table_.placed[at_].block * pages_ + page_; }
  // With the offset of the cluster (or page of it) in the file.
  Placed placed() const {
    Placed placed = table_.placed[at_];
    placed.block = number();
    if (placed.offset != Placed::kZero) placed.offset += page_ * kPageBytes;
    return placed;
  }
  void Next() {
    if (++page_ < pages_ && (pages_ == 1 || number() < end_page_)) return;
    page_ = 0;
    ++at_;
  }
  const BlockFile& file() const { return file_; }

 private:
  BlockFile file_;
  LayerTable table_;
  const std::uint64_t end_page_, pages_;
  std::size_t at_ = 0;
  std::uint64_t page_ = 0;
};

}  // namespace

std::optional<MergeRange> NextMerge(const pb::StagedDisk& disk,
                                    const std::vector<std::int64_t>& bytes,
                                    const std::vector<std::int64_t>& kept) {
  for (int last = disk.files_size() - 1, first; last > 0; last = first - 1) {
    // The newest kept point that the file is part of separates it from what is above it only; the
    // run goes down to the file that an older kept point ends with.
    first = last;
    const auto above = std::lower_bound(kept.begin(), kept.end(), disk.files(last).epoch());
    while (first > 0 && !IsBase(disk.files(first - 1).name()) &&
           std::lower_bound(kept.begin(), kept.end(), disk.files(first - 1).epoch()) == above) {
      --first;
    }
    std::int64_t newer = 0;
    int from = last + 1;
    for (int i = last; i >= first; --i) {
      if (i < last && bytes[static_cast<std::size_t>(i)] < 2 * newer) from = i;
      newer += bytes[static_cast<std::size_t>(i)];
    }
    if (from < last) return MergeRange{from, last};
  }
  return std::nullopt;
}

absl::StatusOr<std::string> MergeLayers(const std::string& folder, const pb::StagedDisk& disk,
                                        const MergeRange& range, const crypt::GroupKeyPtr& group) {
  const auto disk_bytes = static_cast<std::uint64_t>(disk.size_bytes());
  const std::uint64_t end_page = (disk_bytes + kPageBytes - 1) / kPageBytes;
  std::vector<LayerTable> tables;
  for (int i = range.first; i <= range.last; ++i) {
    ASSIGN_OR_RETURN(LayerTable table, ReadLayerTable(folder + "/" + disk.files(i).name(), group));
    tables.push_back(std::move(table));
  }
  const bool fine =
      std::any_of(tables.begin(), tables.end(), [](const auto& table) { return table.fine(); });
  std::vector<Cursor> cursors;  // the newest last
  for (int i = range.first; i <= range.last; ++i) {
    ASSIGN_OR_RETURN(BlockFile file, OpenLayer(folder + "/" + disk.files(i).name(), group));
    cursors.emplace_back(std::move(file),
                         std::move(tables[static_cast<std::size_t>(i - range.first)]), end_page,
                         fine);
  }
  const std::string target = folder + "/" + disk.files(range.last).name();
  const std::string temporary = target + ".merge";
  ASSIGN_OR_RETURN(BlockFile merged, NewLayer(temporary, group));
  LayerTable table{.cluster_bytes = fine ? kPageBytes : kBlockSize};
  std::vector<WantedCluster> wanted;
  std::vector<const BlockFile*> sources;
  for (const Cursor& cursor : cursors) sources.push_back(&cursor.file());
  while (true) {
    std::uint32_t newest = 0;
    bool any = false;
    for (std::uint32_t i = 0; i < cursors.size(); ++i) {
      if (!cursors[i].done() && (!any || cursors[i].number() <= cursors[newest].number())) {
        newest = i;
        any = true;
      }
    }
    if (!any) break;
    Placed placed = cursors[newest].placed();
    if (fine) placed.digest = {};
    if (placed.offset != Placed::kZero)
      wanted.push_back({.source = newest, .offset = placed.offset, .number = table.placed.size()});
    for (Cursor& cursor : cursors) {
      if (!cursor.done() && cursor.number() == placed.block) cursor.Next();
    }
    table.placed.push_back(placed);
  }
  const std::size_t copied = wanted.size();
  RETURN_IF_ERROR(CopyClusters(std::move(wanted), sources, table.cluster_bytes, merged, nullptr,
                               [&](const WantedCluster& cluster, std::uint64_t offset) {
                                 table.placed[cluster.number].offset = offset;
                               }));
  Backing backing;
  if (range.first > 0) {
    backing = BackingOf(disk.files(range.first - 1).name(), group != nullptr);
  }
  RETURN_IF_ERROR(SealQcow2(merged, disk_bytes, backing,
                            FirstDataCluster(merged, table.cluster_bytes) + copied, table));
  GODWIT_FAILPOINT("store.merge.before_rename");
  return temporary;
}

}  // namespace godwit::store
