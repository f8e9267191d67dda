#include "services/conversion/converter/bios_boot.h"

#include "absl/base/internal/endian.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace godwit::convert {
namespace {

namespace endian = absl::little_endian;

constexpr std::size_t kSector = 512;
// Offsets in boot.img: the sector of the core, the drive to read it from (0xff: the one that the
// BIOS started from), and a check of it that must not run on hard disks.
constexpr std::size_t kCoreSector = 0x5c, kBootDrive = 0x64, kDriveCheck = 0x66;
// Kept from the present sector: a BIOS parameter block, and all from the disk signature on.
constexpr std::size_t kParameters = 0x3, kParametersEnd = 0x5a, kSignature = 0x1b8;
// The block list in the core's first sector: start, count of sectors, segment to load them to.
constexpr std::size_t kBlockList = kSector - 12;
constexpr std::uint16_t kLoadSegment = 0x800 + (kSector >> 4);

}  // namespace

absl::StatusOr<BiosBoot> MakeBiosBoot(const std::string& present, const std::string& boot_image,
                                      const std::string& core_image, std::uint64_t core_start,
                                      std::uint64_t room) {
  if (present.size() != kSector || boot_image.size() != kSector ||
      boot_image.substr(510) != "\x55\xaa" || core_image.size() < 2 * kSector) {
    return absl::InvalidArgumentError("no boot sector or no core image of GRUB");
  }
  const std::uint64_t sectors = (core_image.size() + kSector - 1) / kSector;
  if (sectors > room || sectors > 0xffff) {
    return absl::ResourceExhaustedError(
        absl::StrCat("GRUB's core needs ", sectors, " sectors, there are ", room));
  }
  BiosBoot boot{.boot_sector = boot_image, .core = core_image};
  boot.boot_sector.replace(kParameters, kParametersEnd - kParameters, present, kParameters,
                           kParametersEnd - kParameters);
  boot.boot_sector.replace(kSignature, kSector - kSignature, present, kSignature,
                           kSector - kSignature);
  endian::Store64(boot.boot_sector.data() + kCoreSector, core_start);
  boot.boot_sector[kBootDrive] = '\xff';
  boot.boot_sector[kDriveCheck] = '\x90';
  boot.boot_sector[kDriveCheck + 1] = '\x90';
  boot.core.resize(sectors * kSector, '\0');
  endian::Store64(boot.core.data() + kBlockList, core_start + 1);
  endian::Store16(boot.core.data() + kBlockList + 8, static_cast<std::uint16_t>(sectors - 1));
  endian::Store16(boot.core.data() + kBlockList + 10, kLoadSegment);
  return boot;
}

}  // namespace godwit::convert
