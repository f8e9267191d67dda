#include "tests/support/windows_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "tests/support/process.h"

namespace godwit::testing {
namespace {

constexpr off_t kVolumeAt = 1 << 20, kVolumeBytes = 63 << 20;
constexpr off_t kEspAt = kVolumeAt + kVolumeBytes, kEspBytes = 8 << 20;

absl::Status RunTool(const std::vector<std::string>& command, const std::string& work) {
  ASSIGN_OR_RETURN(Process process, Process::Start({.command = command, .log = work + "/log"}));
  ASSIGN_OR_RETURN(const int status, process.Wait(absl::Minutes(2)));
  return status == 0
             ? absl::OkStatus()
             : absl::InternalError(absl::StrCat(absl::StrJoin(command, " "), ": ", process.Log()));
}

constexpr char kRights[] = "system.ntfs_acl";
constexpr char kHive[] = "/Windows/System32/config/SYSTEM";

absl::Status CopyThroughMount(const std::string& volume, const std::string& work,
                              const std::string& options, const std::string& folder, bool in) {
  const std::string where = work + "/mounted";
  RETURN_IF_ERROR(MakeDirs(where));
  RETURN_IF_ERROR(RunTool({"/bin/ntfs-3g", volume, where, "-o", options}, work));
  std::error_code error;
  std::filesystem::copy(in ? folder : where, in ? where : folder,
                        std::filesystem::copy_options::recursive, error);
  if (in) {
    const std::string rights = SystemOnly();
    if (setxattr((where + kHive).c_str(), kRights, rights.data(), rights.size(), 0) != 0) {
      return ErrnoStatus(kHive);
    }
  }
  if (umount2(where.c_str(), UMOUNT_NOFOLLOW) != 0) return ErrnoStatus(where);
  return error ? absl::InternalError(error.message()) : absl::OkStatus();
}

// The daemon of FUSE may write a moment longer than the mount lives. What is hibernated is closed.
absl::Status WaitUntilClosed(const std::string& volume, const std::string& work) {
  constexpr int kHibernated = 14;
  for (int i = 0; i < 100; ++i) {
    ASSIGN_OR_RETURN(Process probe,
                     Process::Start({.command = {"/bin/ntfs-3g.probe", "--readwrite", volume},
                                     .log = work + "/log"}));
    ASSIGN_OR_RETURN(const int status, probe.Wait(absl::Seconds(30)));
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kHibernated)) {
      return absl::OkStatus();
    }
    usleep(100000);
  }
  return absl::DeadlineExceededError(volume + " is not closed");
}

absl::StatusOr<std::string> MakeEsp(const std::string& work) {
  const std::string esp = work + "/esp.img", loader = work + "/loader";
  RETURN_IF_ERROR(WriteFileAtomically(esp, ""));
  if (truncate(esp.c_str(), kEspBytes) != 0) return ErrnoStatus(esp);
  RETURN_IF_ERROR(WriteFileAtomically(loader, "loader"));
  RETURN_IF_ERROR(RunTool({"/sbin/mkfs.vfat", esp}, work));
  RETURN_IF_ERROR(RunTool(
      {"/usr/bin/mmd", "-i", esp, "::/EFI", "::/EFI/Microsoft", "::/EFI/Microsoft/Boot"}, work));
  for (const char* name : {"bootmgfw.efi", "BCD"}) {
    RETURN_IF_ERROR(RunTool(
        {"/usr/bin/mcopy", "-i", esp, loader, absl::StrCat("::/EFI/Microsoft/Boot/", name)}, work));
  }
  return ReadFile(esp, kEspBytes);
}

void SetPartition(std::string* table, std::size_t at, unsigned char type, off_t from, off_t bytes) {
  (*table)[at + 4] = static_cast<char>(type);
  absl::little_endian::Store32(table->data() + at + 8, static_cast<std::uint32_t>(from / 512));
  absl::little_endian::Store32(table->data() + at + 12, static_cast<std::uint32_t>(bytes / 512));
}

}  // namespace

std::string SystemOnly() {
  // Owner and group S-1-5-18, which one entry allows everything.
  const std::string system("\x01\x01\0\0\0\0\0\x05\x12\0\0\0", 12);
  return std::string("\x01\0\x04\x90\x14\0\0\0\x20\0\0\0\0\0\0\0\x2c\0\0\0", 20) + system + system +
         std::string("\x02\0\x1c\0\x01\0\0\0\0\0\x14\0\xff\x01\x1f\0", 16) + system;
}

absl::StatusOr<std::string> RightsOf(const std::string& work, const std::string& path) {
  const std::string where = work + "/mounted";
  RETURN_IF_ERROR(RunTool({"/bin/ntfs-3g", work + "/volume", where, "-o", "ro"}, work));
  std::string rights(4096, '\0');
  const ssize_t got =
      getxattr(absl::StrCat(where, "/", path).c_str(), kRights, rights.data(), rights.size());
  umount2(where.c_str(), UMOUNT_NOFOLLOW);
  if (got < 0) return absl::NotFoundError(path);
  return rights.substr(0, static_cast<std::size_t>(got));
}

absl::Status MakeNtfsDisk(const std::string& folder, const std::string& work,
                          const std::string& disk) {
  const std::string volume = work + "/volume";
  RETURN_IF_ERROR(WriteFileAtomically(volume, ""));
  if (truncate(volume.c_str(), kVolumeBytes) != 0) return ErrnoStatus(volume);
  RETURN_IF_ERROR(RunTool(
      {"/sbin/mkntfs", "-Q", "-F", "-q", "-p", "2048", "-H", "255", "-S", "63", volume}, work));
  RETURN_IF_ERROR(CopyThroughMount(volume, work, "rw,windows_names", folder, /*in=*/true));
  RETURN_IF_ERROR(WaitUntilClosed(volume, work));
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(volume, kVolumeBytes));
  ASSIGN_OR_RETURN(const std::string esp, MakeEsp(work));
  std::string table(kVolumeAt, '\0');
  absl::little_endian::Store32(table.data() + 440, 0x12345678);
  SetPartition(&table, 446, 0x07, kVolumeAt, kVolumeBytes);
  SetPartition(&table, 462, 0xef, kEspAt, kEspBytes);
  table.replace(510, 2, "\x55\xaa");
  return WriteFileAtomically(disk, table + bytes + esp);
}

absl::Status ReadNtfsDisk(const std::string& disk, const std::string& work,
                          const std::string& folder) {
  const std::string raw = work + "/raw", volume = work + "/volume";
  RETURN_IF_ERROR(RunTool({"/usr/bin/qemu-img", "convert", "-O", "raw", disk, raw}, work));
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(raw, kEspAt + kEspBytes));
  if (absl::little_endian::Load32(bytes.data() + 440) != 0x12345678) {
    return absl::DataLossError("the disk's signature changed");
  }
  RETURN_IF_ERROR(WriteFileAtomically(volume, bytes.substr(kVolumeAt, kVolumeBytes)));
  RETURN_IF_ERROR(MakeDirs(folder + "/esp"));
  RETURN_IF_ERROR(RunTool(
      {"/usr/bin/mcopy", "-s", "-i", absl::StrCat(raw, "@@", kEspAt), "::/EFI", folder + "/esp"},
      work));
  return CopyThroughMount(volume, work, "ro", folder, /*in=*/false);
}

}  // namespace godwit::testing
