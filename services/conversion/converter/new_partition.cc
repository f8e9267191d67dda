#include "services/conversion/converter/new_partition.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/tools.h"

namespace godwit::convert {
namespace {

constexpr std::uint64_t kHeadSectors = 128;
constexpr std::uint64_t kGptSectors = 34;

}  // namespace

absl::StatusOr<std::string> ReadSectors(const std::string& disk, std::uint64_t start,
                                        std::uint64_t count) {
  const Fd fd(open(disk.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(disk);
  std::string bytes(count * kSectorBytes, '\0');
  const ssize_t got =
      pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(start * kSectorBytes));
  if (got < 0) return ErrnoStatus(disk);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

absl::Status WriteSectors(const std::string& disk, std::uint64_t start, const std::string& bytes) {
  const Fd fd(open(disk.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(disk);
  if (pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(start * kSectorBytes)) !=
          static_cast<ssize_t>(bytes.size()) ||
      fsync(fd.get()) != 0)
    return ErrnoStatus(disk);
  return absl::OkStatus();
}

absl::StatusOr<PartitionTable> ReadPartitionTable(const std::string& disk, std::string* head) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadSectors(disk, 0, kHeadSectors));
  const Fd fd(open(disk.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(disk);
  if (head != nullptr) *head = bytes;
  return ParsePartitionTable(
      bytes, static_cast<std::uint64_t>(lseek(fd.get(), 0, SEEK_END)) / kSectorBytes);
}

std::uint64_t TableSectors(const PartitionTable& table) {
  return table.kind == PartitionTable::Kind::kGpt ? kGptSectors : 1;
}

std::string StableHex(const std::string& head, const std::string& what) {
  return Sha256Hex(absl::StrCat(what, "/", head.substr(0, kGptSectors * kSectorBytes)))
      .substr(0, 32);
}

absl::StatusOr<int> AddPartition(const std::string& disk, const NewPartition& partition) {
  std::string head;
  ASSIGN_OR_RETURN(const PartitionTable before, ReadPartitionTable(disk, &head));
  const bool gpt = before.kind == PartitionTable::Kind::kGpt;
  if (partition.place.sectors == 0 || (!gpt && partition.mbr_type.empty()))
    return absl::InternalError(absl::StrCat("no room for a partition: ", partition.name));
  const std::string hex = StableHex(head, partition.what);
  const std::string uuid =
      absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-4", hex.substr(13, 3), "-a",
                   hex.substr(17, 3), "-", hex.substr(20, 12));
  if (gpt) {  // its copy belongs at the end of the disk, which may have grown
    RETURN_IF_ERROR(RunTo("sfdisk", {"sfdisk", "-q", "--relocate", "gpt-bak-std", disk}, ""));
  }
  RETURN_IF_ERROR(RunTo(
      "sfdisk", {"sfdisk", "-q", "--append", "--no-reread", "--no-tell-kernel", disk},
      absl::StrCat(
          "start=", partition.place.start, ", size=", partition.place.sectors, ", type=",
          gpt ? absl::StrCat(partition.gpt_type, ", uuid=", uuid, ", name=\"", partition.name, "\"")
              : partition.mbr_type,
          "\n")));
  ASSIGN_OR_RETURN(const PartitionTable after, ReadPartitionTable(disk, nullptr));
  for (const Partition& added : after.partitions) {
    if (added.start == partition.place.start && added.sectors == partition.place.sectors)
      return added.number;
  }
  return absl::InternalError("the partition was added and cannot be found");
}

absl::Status RecordSectors(const std::string& step, const std::string& disk, absl::string_view head,
                           std::uint64_t sectors, const std::string& summary, GuestRoot& root) {
  ASSIGN_OR_RETURN(const std::string now, ReadSectors(disk, 0, sectors));
  const std::string before(head.substr(0, sectors * kSectorBytes));
  root.Record({.step = step,
               .path = absl::StrCat(disk, " sectors 0 to ", sectors - 1),
               .before_sha256 = Sha256Hex(before),
               .after_sha256 = Sha256Hex(now),
               .summary = summary,
               .volume = "disk",
               .kept = absl::BytesToHexString(before)});
  return absl::OkStatus();
}

}  // namespace godwit::convert
