#include "services/replication/worker/store/reclaim.h"

#include <sys/stat.h>

#include <bit>
#include <vector>

#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/manifest.h"
#include "services/replication/worker/store/qcow2.h"

namespace godwit::store {
namespace pb = ::godwit::replication::v1;

namespace {

// The pages of each block that layers hold, a bit each.
class Coverage {
 public:
  explicit Coverage(std::uint64_t disk_bytes)
      : disk_bytes_(disk_bytes), pages_(block::BlockCount(disk_bytes)) {}

  absl::Status Add(const LayerTable& table) {
    for (const Placed& placed : table.placed) {
      const std::uint64_t block = table.fine() ? placed.block / kPagesPerBlock : placed.block;
      if (block >= pages_.size()) return absl::DataLossError("a layer is larger than its disk");
      pages_[block] |= table.fine()
                           ? static_cast<std::uint16_t>(1U << placed.block % kPagesPerBlock)
                           : std::uint16_t{0xffff};
    }
    return absl::OkStatus();
  }
  std::uint64_t blocks() const { return pages_.size(); }
  bool Whole(std::uint64_t block) const {
    const std::uint64_t bytes = block::BlockBytes(disk_bytes_, block);
    return std::countr_one(pages_[block]) >=
           static_cast<int>((bytes + kPageBytes - 1) / kPageBytes);
  }

 private:
  const std::uint64_t disk_bytes_;
  std::vector<std::uint16_t> pages_;
};

}  // namespace

std::int64_t NewlyCovered(const std::string& folder, const pb::StagedDisk& disk, std::int64_t since,
                          std::int64_t epoch) {
  std::int64_t bytes = 0;
  for (const pb::StagedFile& file : disk.files()) {
    if (file.epoch() <= since || file.epoch() > epoch || IsBase(file.name())) continue;
    struct stat info;
    if (stat((folder + "/" + file.name()).c_str(), &info) == 0) bytes += info.st_blocks * 512;
  }
  return bytes;
}

absl::StatusOr<std::uint64_t> ReclaimBase(const std::string& folder, const pb::StagedDisk& disk,
                                          std::int64_t epoch, const crypt::GroupKeyPtr& group) {
  if (disk.files_size() == 0 || !IsBase(disk.files(0).name())) return 0;
  const std::string path = folder + "/" + disk.files(0).name();
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(path);
  if (info.st_nlink > 1) return 0;
  const auto disk_bytes = static_cast<std::uint64_t>(disk.size_bytes());
  Coverage coverage(disk_bytes);
  for (const pb::StagedFile& file : disk.files()) {
    if (file.epoch() > epoch) break;
    if (IsBase(file.name())) continue;
    ASSIGN_OR_RETURN(const LayerTable table, ReadLayerTable(folder + "/" + file.name(), group));
    RETURN_IF_ERROR(coverage.Add(table));
  }
  ASSIGN_OR_RETURN(BlockFile base, BlockFile::Open(path, BlockFile::Mode::kOpen));
  std::uint64_t covered = 0;
  for (std::uint64_t first = 0, end; first < coverage.blocks(); first = end + 1) {
    for (end = first; end < coverage.blocks() && coverage.Whole(end); ++end) continue;
    if (end == first) continue;
    covered += end - first;
    const std::uint64_t from = first * block::kBlockSize;
    RETURN_IF_ERROR(base.PunchHole(from, std::min(end * block::kBlockSize, disk_bytes) - from));
  }
  return covered;
}

}  // namespace godwit::store
