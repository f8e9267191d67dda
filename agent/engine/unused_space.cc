#include "agent/engine/unused_space.h"

#include <fcntl.h>
#include <linux/fsmap.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/boot/device_place.h"
#include "services/common/base/file.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/block.h"

namespace godwit::agent {
namespace {

constexpr std::uint32_t kRecords = 4096;
// A file system with more free extents than this is too fragmented to be worth it.
constexpr int kMaxCalls = 4096;
// The header of a swap partition (signature, UUID, label) is within its first page.
constexpr std::uint64_t kSwapHeader = 65536;

// As the kernel writes a device number into 32 bits.
std::uint32_t Encoded(dev_t device) {
  return (minor(device) & 0xffu) | (major(device) << 8) | ((minor(device) & ~0xffu) << 12);
}

// Free space of a mounted file system, ascending, relative to its device.
absl::StatusOr<std::vector<ByteRange>> FreeSpace(const std::string& mount_point) {
  const Fd fd(open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return ErrnoStatus(mount_point);
  // Deletions that are not committed yet do not count as free (ext4).
  if (syncfs(fd.get()) != 0) return ErrnoStatus(mount_point);
  std::vector<std::uint64_t> memory(fsmap_sizeof(kRecords) / sizeof(std::uint64_t) + 1);
  auto* const head = reinterpret_cast<fsmap_head*>(memory.data());
  *head = {};
  fsmap& high = head->fmh_keys[1];
  high.fmr_device = high.fmr_flags = UINT32_MAX;
  high.fmr_physical = high.fmr_owner = high.fmr_offset = UINT64_MAX;
  std::vector<ByteRange> ranges;
  for (int call = 0; call < kMaxCalls; ++call) {
    head->fmh_count = kRecords;
    if (ioctl(fd.get(), FS_IOC_GETFSMAP, head) != 0) return ErrnoStatus(mount_point);
    if ((head->fmh_oflags & FMH_OF_DEV_T) == 0) {
      return absl::UnimplementedError("the map does not name its devices");
    }
    for (std::uint32_t i = 0; i < head->fmh_entries; ++i) {
      const fsmap& record = head->fmh_recs[i];
      if (record.fmr_device != Encoded(info.st_dev) ||
          (record.fmr_flags & FMR_OF_SPECIAL_OWNER) == 0 || record.fmr_owner != FMR_OWN_FREE) {
        continue;
      }
      const ByteRange range{record.fmr_physical, record.fmr_physical + record.fmr_length};
      if (!ranges.empty() && ranges.back().end == range.first) {
        ranges.back().end = range.end;
      } else {
        ranges.push_back(range);
      }
    }
    if (head->fmh_entries == 0 ||
        (head->fmh_recs[head->fmh_entries - 1].fmr_flags & FMR_OF_LAST) != 0) {
      if (syncfs(fd.get()) != 0) return ErrnoStatus(mount_point);
      return ranges;
    }
    fsmap_advance(head);
  }
  return absl::ResourceExhaustedError("too many free extents");
}

void AddBlocks(const ByteRange& range, std::vector<BlockRun>* blocks) {
  const std::uint64_t first = (range.first + block::kBlockSize - 1) / block::kBlockSize;
  const std::uint64_t end = range.end / block::kBlockSize;
  if (first < end) blocks->push_back({first, end - first});
}

}  // namespace

std::vector<BlockRun> UnusedBlocks(const std::string& path,
                                   const std::vector<MountedFileSystem>& mounted,
                                   const std::string& swaps) {
  std::vector<BlockRun> blocks;
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISBLK(info.st_mode)) return blocks;
  const std::string disk = NameOf(info.st_rdev);
  for (const MountedFileSystem& file_system : mounted) {
    if (file_system.type != "ext4" && file_system.type != "xfs") continue;
    const std::optional<ByteRange> place = PlaceOf(file_system.device, disk);
    if (!place) continue;
    const absl::StatusOr<std::vector<ByteRange>> free = FreeSpace(file_system.mount_point);
    if (!free.ok()) {
      Log(Severity::kInfo, "free space is copied too",
          {{"file_system", file_system.mount_point}, {"reason", free.status().ToString()}});
      continue;
    }
    for (const ByteRange& range : *free) {
      if (range.end > place->end - place->first) continue;  // not a map of this device
      AddBlocks({place->first + range.first, place->first + range.end}, &blocks);
    }
  }
  for (const absl::string_view line : absl::StrSplit(swaps, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (fields.size() < 2 || fields[1] != "partition") continue;
    if (stat(fields[0].c_str(), &info) != 0 || !S_ISBLK(info.st_mode)) continue;
    const std::optional<ByteRange> place = PlaceOf(NameOf(info.st_rdev), disk);
    if (place && place->first + kSwapHeader < place->end) {
      AddBlocks({place->first + kSwapHeader, place->end}, &blocks);
    }
  }
  return blocks;
}

}  // namespace godwit::agent
