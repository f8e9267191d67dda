#include "services/replication/worker/store/check_group.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {

absl::Status CheckGroup(const std::string& server_id, const std::vector<DiskSpec>& disks) {
  RETURN_IF_ERROR(CheckId("source_server", "s-", server_id));
  if (disks.empty() || disks.size() > 50)
    return absl::InvalidArgumentError("disks: 1 to 50 are needed");
  for (std::size_t i = 0; i < disks.size(); ++i) {
    RETURN_IF_ERROR(CheckId(absl::StrCat("disks[", i, "].disk_id"), "d-", disks[i].disk_id));
    if (disks[i].size_bytes < block::kMinDiskBytes || disks[i].size_bytes > block::kMaxDiskBytes ||
        disks[i].size_bytes % block::kSectorSize != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "disks[", i, "].size_bytes: a multiple of 512 from 1 MiB to 64 TiB is needed"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBlocks(const std::vector<DiskSpec>& disks, std::size_t disk,
                         std::uint64_t first_block, std::uint64_t count) {
  if (disk >= disks.size()) return absl::InvalidArgumentError(absl::StrCat("disk: no disk ", disk));
  const std::uint64_t blocks = block::BlockCount(disks[disk].size_bytes);
  if (count == 0 || first_block >= blocks || count > blocks - first_block) {
    return absl::InvalidArgumentError(absl::StrCat("first_block: blocks ", first_block, " to ",
                                                   first_block + count, " of a disk of ", blocks));
  }
  return absl::OkStatus();
}

absl::Status CheckPayload(const std::vector<DiskSpec>& disks, std::size_t disk,
                          std::uint64_t first_block, block::Bytes bytes) {
  const std::uint64_t count = block::BlockCount(bytes.size());
  RETURN_IF_ERROR(CheckBlocks(disks, disk, first_block, count));
  const std::uint64_t expected = (count - 1) * block::kBlockSize +
                                 block::BlockBytes(disks[disk].size_bytes, first_block + count - 1);
  if (bytes.size() == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("payload: ", bytes.size(), " bytes, expected ", expected));
}

absl::Status CheckRuns(const std::vector<DiskSpec>& disks, std::size_t disk,
                       const std::vector<SectorRun>& runs) {
  if (disk >= disks.size()) return absl::InvalidArgumentError(absl::StrCat("disk: no disk ", disk));
  const std::uint64_t sectors = disks[disk].size_bytes / block::kSectorSize;
  for (const SectorRun& run : runs) {
    const std::uint64_t count = run.bytes.size() / block::kSectorSize;
    if (count == 0 || run.bytes.size() % block::kSectorSize != 0 || run.sector >= sectors ||
        count > sectors - run.sector) {
      return absl::InvalidArgumentError(absl::StrCat("sector: ", run.bytes.size(),
                                                     " bytes at sector ", run.sector,
                                                     " of a disk of ", sectors));
    }
  }
  return absl::OkStatus();
}

}  // namespace godwit::store
