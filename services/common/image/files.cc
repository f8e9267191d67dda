#include "services/common/image/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::image {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kPart = 1 << 20;
constexpr std::int64_t kMostOctal = 1ll << 33;  // 11 octal digits

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return ErrnoStatus(path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

// Calls `take` with the file's bytes in order; asks `check` before each part.
template <typename Take>
absl::Status ReadAll(const std::string& path, const Check& check, const Take& take) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(path);
  std::string part(kPart, '\0');
  while (true) {
    if (check != nullptr) RETURN_IF_ERROR(check());
    const ssize_t got = read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path);
    if (got == 0) return absl::OkStatus();
    RETURN_IF_ERROR(take(absl::string_view(part.data(), static_cast<std::size_t>(got))));
  }
}

absl::StatusOr<std::string> TarHead(const std::string& name, std::int64_t size) {
  if (name.empty() || name.size() >= 100)
    return absl::InvalidArgumentError(absl::StrCat(name, ": no name for a tar"));
  std::string head(kBlock, '\0');
  const auto put = [&head](std::size_t at, absl::string_view text) {
    std::copy(text.begin(), text.end(), head.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  if (size < kMostOctal) {
    put(124, absl::StrFormat("%011o", size));
  } else {
    head[124] = '\x80';
    for (int i = 0; i < 8; ++i) head[135 - i] = static_cast<char>(size >> (8 * i));
  }
  put(136, "00000000000");
  put(148, "        ");
  head[156] = '0';
  put(257, absl::string_view("ustar\0"
                             "00",
                             8));
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  put(148, absl::string_view(absl::StrFormat("%06o", sum)));
  head[154] = '\0';
  return head;
}

}  // namespace

absl::StatusOr<std::string> Sha256OfFile(const std::string& path, const Check& check) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (hash == nullptr || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1)
    return absl::InternalError("SHA-256 is not available");
  RETURN_IF_ERROR(ReadAll(path, check, [&](absl::string_view part) {
    return EVP_DigestUpdate(hash.get(), part.data(), part.size()) == 1
               ? absl::OkStatus()
               : absl::InternalError("SHA-256 failed");
  }));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_DigestFinal_ex(hash.get(), digest, &size) != 1)
    return absl::InternalError("SHA-256 failed");
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

absl::Status WriteTar(const std::vector<std::string>& paths, const std::string& to,
                      const Check& check) {
  const Fd out(open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!out.valid()) return ErrnoStatus(to);
  for (const std::string& path : paths) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(path);
    ASSIGN_OR_RETURN(const std::string head,
                     TarHead(path.substr(path.rfind('/') + 1), info.st_size));
    RETURN_IF_ERROR(WriteAll(out.get(), head, to));
    std::int64_t copied = 0;
    RETURN_IF_ERROR(ReadAll(path, check, [&](absl::string_view part) {
      copied += static_cast<std::int64_t>(part.size());
      return WriteAll(out.get(), part, to);
    }));
    if (copied != info.st_size)
      return absl::InternalError(absl::StrCat(path, " changed while it was read"));
    const std::size_t rest = static_cast<std::size_t>(copied) % kBlock;
    if (rest != 0) RETURN_IF_ERROR(WriteAll(out.get(), std::string(kBlock - rest, '\0'), to));
  }
  RETURN_IF_ERROR(WriteAll(out.get(), std::string(2 * kBlock, '\0'), to));
  return fsync(out.get()) == 0 ? absl::OkStatus() : ErrnoStatus(to);
}

}  // namespace godwit::image
