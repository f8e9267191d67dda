#include "services/conversion/converter/windows/regf_header.h"

#include "absl/base/internal/endian.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kChecksumAt = 508;
constexpr std::size_t kHeaderBytes = 4096;
// Logs since Windows 8.1: entries of their own behind the header, each with a sequence number.
constexpr std::size_t kFirstEntryAt = 512;

std::uint32_t At(absl::string_view bytes, std::size_t offset) {
  return absl::little_endian::Load32(bytes.data() + offset);
}

// XOR of the words before it; 0 and -1 are not used.
std::uint32_t Checksum(absl::string_view head) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < kChecksumAt; at += 4) sum ^= At(head, at);
  return sum == 0 ? 1 : sum == 0xffffffff ? 0xfffffffe : sum;
}

// Serial numbers go round.
bool Newer(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

absl::Status CheckLog(const std::string& name, const RegfHeader& hive, const HiveLog& log) {
  const absl::StatusOr<RegfHeader> header = ParseRegfHeader(log.head);
  if (!header.ok() || !header->checksum_matches) return absl::OkStatus();  // Windows skips it, too
  std::uint32_t last = header->primary_sequence;
  if (log.head.size() >= kFirstEntryAt + 16 &&
      absl::StartsWith(absl::string_view(log.head).substr(kFirstEntryAt), "HvLE")) {
    const std::uint32_t entry = At(log.head, kFirstEntryAt + 12);
    if (Newer(entry, last)) last = entry;
  }
  if (!Newer(last, hive.primary_sequence)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the registry hive ", name,
                                                    " lacks changes that are in ", log.name, " (",
                                                    hive.primary_sequence, " before ", last, ")"));
}

}  // namespace

absl::StatusOr<RegfHeader> ParseRegfHeader(absl::string_view head) {
  if (head.size() < 512 || !absl::StartsWith(head, "regf")) {
    return absl::InvalidArgumentError("not a registry hive");
  }
  return RegfHeader{.primary_sequence = At(head, 4),
                    .secondary_sequence = At(head, 8),
                    .major = At(head, 20),
                    .minor = At(head, 24),
                    .root_offset = At(head, 36),
                    .bins_bytes = At(head, 40),
                    .checksum_matches = At(head, kChecksumAt) == Checksum(head)};
}

absl::Status CheckHiveIsWhole(const std::string& name, absl::string_view bytes, const HiveLog& log1,
                              const HiveLog& log2) {
  const absl::StatusOr<RegfHeader> header = ParseRegfHeader(bytes);
  if (!header.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", header.status().message()));
  }
  if (header->major != 1 || header->minor > 6) {
    return absl::UnimplementedError(
        absl::StrCat(name, ": a registry hive of version ", header->major, ".", header->minor));
  }
  if (!header->checksum_matches || header->primary_sequence != header->secondary_sequence) {
    return absl::FailedPreconditionError(
        absl::StrCat("the registry hive ", name, " was being written (sequence numbers ",
                     header->primary_sequence, " and ", header->secondary_sequence, ")"));
  }
  if (std::uint64_t{header->bins_bytes} + kHeaderBytes > bytes.size() ||
      header->root_offset >= header->bins_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": the registry hive is cut off"));
  }
  RETURN_IF_ERROR(CheckLog(name, *header, log1));
  return CheckLog(name, *header, log2);
}

}  // namespace godwit::convert::windows
