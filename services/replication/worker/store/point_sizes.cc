#include "services/replication/worker/store/point_sizes.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/manifest.h"

namespace godwit::store {
namespace pb = ::godwit::replication::v1;

namespace {

using Range = std::pair<std::uint64_t, std::uint64_t>;  // pages, the end not included

std::vector<Range> Pages(const LayerTable& table, bool zeros) {
  const std::uint64_t pages = table.cluster_bytes / kPageBytes;
  std::vector<Range> out;
  for (const Placed& placed : table.placed) {
    if (!zeros && placed.offset == Placed::kZero) continue;
    const std::uint64_t first = placed.block * pages;
    if (!out.empty() && out.back().second == first) {
      out.back().second += pages;
    } else {
      out.emplace_back(first, first + pages);
    }
  }
  return out;
}

// Sorted and apart.
std::vector<Range> Union(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<Range> out;
  for (const Range& range : ranges) {
    if (!out.empty() && range.first <= out.back().second) {
      out.back().second = std::max(out.back().second, range.second);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::uint64_t Common(const std::vector<Range>& a, const std::vector<Range>& b) {
  std::uint64_t pages = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const std::uint64_t from = std::max(a[i].first, b[j].first);
    const std::uint64_t to = std::min(a[i].second, b[j].second);
    if (from < to) pages += to - from;
    (a[i].second < b[j].second ? i : j) += 1;
  }
  return pages;
}

}  // namespace

std::int64_t ReplacedBytes(const std::vector<LayerTable>& lower,
                           const std::vector<LayerTable>& upper) {
  std::vector<Range> replaced;
  for (const LayerTable& table : upper) {
    const std::vector<Range> pages = Pages(table, /*zeros=*/true);
    replaced.insert(replaced.end(), pages.begin(), pages.end());
  }
  replaced = Union(std::move(replaced));
  std::uint64_t pages = 0;
  for (const LayerTable& table : lower) pages += Common(Pages(table, /*zeros=*/false), replaced);
  return static_cast<std::int64_t>(pages * kPageBytes);
}

std::int64_t PointSizer::OwnBytes(const std::string& folder, const pb::StagedDisk& disk,
                                  std::int64_t before, std::int64_t epoch, std::int64_t after,
                                  const crypt::GroupKeyPtr& group) {
  std::string key = after == 0 ? "newest" : "";
  std::int64_t lower_bytes = 0, upper_bytes = 0;
  std::vector<std::string> lower, upper;
  for (const pb::StagedFile& file : disk.files()) {
    const bool is_lower = file.epoch() > before && file.epoch() <= epoch;
    const bool is_upper = file.epoch() > epoch && file.epoch() <= after;
    // A base stays as long as the replica; what layers replace of it is given back later
    // (reclaim.h).
    if ((!is_lower && !is_upper) || IsBase(file.name())) continue;
    const std::string path = folder + "/" + file.name();
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return -1;
    (is_lower ? lower_bytes : upper_bytes) += info.st_blocks * 512;
    (is_lower ? lower : upper).push_back(path);
    absl::StrAppend(&key, is_lower ? " -" : " +", file.name(), ":", info.st_ino);
  }
  if (after == 0) return lower_bytes;
  if (lower.empty() || upper.empty()) return 0;
  if (const auto found = known_.find(key); found != known_.end()) {
    used_[key] = found->second;
    return found->second;
  }
  if (lower_bytes + upper_bytes > kMostBytes) return -1;
  const auto read = [&group](const std::vector<std::string>& paths) {
    absl::StatusOr<std::vector<LayerTable>> tables = std::vector<LayerTable>();
    for (const std::string& path : paths) {
      absl::StatusOr<LayerTable> table = ReadLayerTable(path, group);
      if (!table.ok()) return absl::StatusOr<std::vector<LayerTable>>(table.status());
      tables->push_back(*std::move(table));
    }
    return tables;
  };
  const auto lower_tables = read(lower), upper_tables = read(upper);
  if (!lower_tables.ok() || !upper_tables.ok()) return -1;
  return used_[key] = ReplacedBytes(*lower_tables, *upper_tables);
}

std::vector<PointSize> PointSizer::Sizes(const std::string& folder,
                                         const pb::StagingManifest& manifest, std::size_t limit,
                                         const crypt::GroupKeyPtr& group) {
  absl::MutexLock lock(&mutex_);
  std::vector<PointSize> out;
  for (int i = manifest.points_size() - 1; i >= 0 && out.size() < limit; --i) {
    const std::int64_t before = i == 0 ? 0 : manifest.points(i - 1).epoch();
    const std::int64_t epoch = manifest.points(i).epoch();
    const std::int64_t after = i + 1 == manifest.points_size() ? 0 : manifest.points(i + 1).epoch();
    std::int64_t bytes = 0;
    for (const pb::StagedDisk& disk : manifest.disks()) {
      const std::int64_t own = OwnBytes(folder, disk, before, epoch, after, group);
      bytes = own < 0 || bytes < 0 ? -1 : bytes + own;
    }
    if (bytes >= 0) out.push_back({.epoch = epoch, .own_bytes = bytes});
  }
  known_ = std::exchange(used_, {});
  return out;
}

}  // namespace godwit::store
