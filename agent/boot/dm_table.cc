#include "agent/boot/dm_table.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::size_t kAnswerBytes = 65536;
constexpr std::uint64_t kSector = 512, kMaxSectors = std::uint64_t{1} << 48;

// As the kernel's interface has device numbers (huge_encode_dev).
std::uint64_t Encoded(unsigned major, unsigned minor) {
  return (minor & 0xffu) | (std::uint64_t{major} & 0xfffu) << 8 |
         (std::uint64_t{minor} & ~std::uint64_t{0xff}) << 12;
}

}  // namespace

absl::StatusOr<std::vector<LinearPart>> ParseLinear(absl::string_view answer) {
  dm_ioctl head;
  if (answer.size() < sizeof head) return absl::InvalidArgumentError("no table");
  std::memcpy(&head, answer.data(), sizeof head);
  std::vector<LinearPart> parts;
  std::size_t at = head.data_start;
  std::uint64_t expected = 0;
  for (std::uint32_t i = 0; i < head.target_count; ++i) {
    dm_target_spec target;
    if (at > answer.size() || answer.size() - at < sizeof target)
      return absl::InvalidArgumentError("a table without an end");
    std::memcpy(&target, answer.data() + at, sizeof target);
    const absl::string_view type(target.target_type,
                                 strnlen(target.target_type, sizeof target.target_type));
    if (type != "linear") return absl::UnimplementedError(absl::StrCat("a target of type ", type));
    absl::string_view text = answer.substr(at + sizeof target);
    text = text.substr(0, std::min(text.size(), text.find('\0')));
    const std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
    std::uint64_t sector = 0;
    if (words.size() != 2 || !absl::SimpleAtoi(words[1], &sector) || sector >= kMaxSectors ||
        target.length == 0 || target.length >= kMaxSectors || target.sector_start != expected ||
        expected >= kMaxSectors)
      return absl::InvalidArgumentError("no linear table");
    parts.push_back({.first = target.sector_start * kSector,
                     .size = target.length * kSector,
                     .device = words[0],
                     .at = sector * kSector});
    expected += target.length;
    // From the first target, as the kernel fills it.
    if (i + 1 < head.target_count && (target.next < sizeof target || target.next > answer.size()))
      return absl::InvalidArgumentError("a table without a next part");
    at = head.data_start + std::size_t{target.next};
  }
  if (parts.empty()) return absl::InvalidArgumentError("an empty table");
  return parts;
}

absl::StatusOr<std::vector<LinearPart>> LinearParts(const std::string& device) {
  const std::vector<std::string> numbers = absl::StrSplit(device, ':');
  unsigned major = 0, minor = 0;
  if (numbers.size() != 2 || !absl::SimpleAtoi(numbers[0], &major) ||
      !absl::SimpleAtoi(numbers[1], &minor))
    return absl::InvalidArgumentError(absl::StrCat("no device number: ", device));
  const Fd control(open("/dev/mapper/control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) return absl::UnavailableError("no device-mapper here");
  std::string answer(kAnswerBytes, '\0');
  auto* const head = reinterpret_cast<dm_ioctl*>(answer.data());
  head->version[0] = DM_VERSION_MAJOR;
  head->data_size = static_cast<std::uint32_t>(answer.size());
  head->data_start = sizeof(dm_ioctl);
  head->dev = Encoded(major, minor);
  head->flags = DM_STATUS_TABLE_FLAG;
  if (ioctl(control.get(), DM_TABLE_STATUS, answer.data()) != 0) return ErrnoStatus(device);
  if ((head->flags & DM_BUFFER_FULL_FLAG) != 0)
    return absl::ResourceExhaustedError("a table with very many parts");
  return ParseLinear(answer);
}

}  // namespace godwit::agent
