#include "services/common/crypt/encrypted_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/luks_header.h"
#include "services/common/crypt/xts.h"

namespace godwit::crypt {
namespace {

// Format: QEMU's docs/interop/qcow2.txt. In clusters: header, LUKS header, L1 table (all zeros),
// refcount table, one refcount block.
constexpr std::uint64_t kCluster = 65536, kEntries = kCluster / 8;
constexpr std::uint64_t kL1First = 1 + kLuksBytes / kCluster;
constexpr std::size_t kHeader = 104, kMaxName = 1023;
constexpr std::uint64_t kMaxBytes = std::uint64_t{64} << 40;

std::string MakeHeader(std::uint64_t disk_bytes, std::uint64_t l1_size, std::uint64_t table,
                       const std::string& backing) {
  std::string out(4096, '\0');
  const auto put32 = [&](std::size_t at, std::uint32_t value) {
    absl::big_endian::Store32(out.data() + at, value);
  };
  const auto put64 = [&](std::size_t at, std::uint64_t value) {
    absl::big_endian::Store64(out.data() + at, value);
  };
  put32(0, 0x514649fb);
  put32(4, 3);
  put32(20, 16);  // clusters of 2^16 bytes
  put64(24, disk_bytes);
  put32(32, 2);  // LUKS
  put32(36, static_cast<std::uint32_t>(l1_size));
  put64(40, kL1First * kCluster);
  put64(48, table * kCluster);
  put32(56, 1);
  put32(96, 4);  // refcounts of 2^4 bits
  put32(100, kHeader);
  std::size_t at = kHeader;
  put32(at, 0x0537be77);
  put32(at + 4, 16);
  put64(at + 8, kCluster);
  put64(at + 16, kLuksBytes);
  at += 24;
  if (backing.empty()) return out;
  put32(at, 0xE2792ACA);
  put32(at + 4, 5);
  std::memcpy(out.data() + at + 8, "qcow2", 5);
  at += 16 + 8;  // and the extension that ends the list
  put64(8, at);
  put32(16, static_cast<std::uint32_t>(backing.size()));
  std::memcpy(out.data() + at, backing.data(), backing.size());
  return out;
}

absl::Status WriteAt(const Fd& fd, const std::string& bytes, std::uint64_t at,
                     const std::string& path) {
  const ssize_t done = pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
  return done == static_cast<ssize_t>(bytes.size()) ? absl::OkStatus() : ErrnoStatus(path);
}

}  // namespace

absl::Status CreateEncryptedImage(const std::string& path, std::uint64_t disk_bytes,
                                  const std::string& backing, const GroupKey& group) {
  if (backing.size() > kMaxName || disk_bytes == 0 || disk_bytes > kMaxBytes)
    return absl::InvalidArgumentError(path + ": the name below is too long, or the size is wrong");
  const std::uint64_t data = (disk_bytes + kCluster - 1) / kCluster;
  const std::uint64_t l1_size = (data + kEntries - 1) / kEntries;
  const std::uint64_t table = kL1First + (l1_size + kEntries - 1) / kEntries;
  ASSIGN_OR_RETURN(const Secret key, RandomSecret(kXtsKeyBytes));
  ASSIGN_OR_RETURN(const std::string luks, MakeLuksHeader(key, group.passphrase()));
  std::string first_entry(8, '\0'), counts;
  absl::big_endian::Store64(first_entry.data(), (table + 1) * kCluster);
  for (std::uint64_t i = 0; i < table + 2; ++i) counts.append("\0\1", 2);
  const Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(path);
  if (ftruncate(fd.get(), static_cast<off_t>((table + 2) * kCluster)) != 0)
    return ErrnoStatus(path);
  RETURN_IF_ERROR(WriteAt(fd, luks, kCluster, path));
  RETURN_IF_ERROR(WriteAt(fd, first_entry, table * kCluster, path));
  RETURN_IF_ERROR(WriteAt(fd, counts, (table + 1) * kCluster, path));
  RETURN_IF_ERROR(WriteAt(fd, MakeHeader(disk_bytes, l1_size, table, backing), 0, path));
  return fsync(fd.get()) == 0 ? absl::OkStatus() : ErrnoStatus(path);
}

}  // namespace godwit::crypt
