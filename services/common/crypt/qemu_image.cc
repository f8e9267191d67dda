#include "services/common/crypt/qemu_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::crypt {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kHeaderRoom = 64 << 10;  // a cluster; names lie in the first
constexpr std::uint32_t kMagic = 0x514649fb, kLuks = 2;
constexpr std::uint32_t kBackingFormat = 0xE2792ACA, kDataFile = 0x44415441;
constexpr std::size_t kMaxChain = 2000, kMaxName = 1023, kFoldersAbove = 4;

absl::StatusOr<std::string> ReadHead(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(path);
  std::string head(kHeaderRoom, '\0');
  const ssize_t got = pread(fd.get(), head.data(), head.size(), 0);
  if (got < 0) return ErrnoStatus(path);
  head.resize(static_cast<std::size_t>(got));
  return head;
}

// What the header of an image says of itself and the next one below.
struct Header {
  bool encrypted = false;
  std::uint64_t size_bytes = 0;
  std::string backing, format, data_file;  // as written; empty: none
};

absl::StatusOr<Header> ParseHeader(const std::string& head, const std::string& path) {
  const auto be32 = [&](std::size_t at) { return absl::big_endian::Load32(head.data() + at); };
  if (head.size() < 104 || be32(0) != kMagic)
    return absl::InvalidArgumentError(path + ": not a qcow2 image");
  const auto damaged = [&] { return absl::DataLossError(path + ": damaged qcow2 header"); };
  Header header;
  const std::uint32_t crypt = be32(32), version = be32(4);
  if (crypt != 0 && crypt != kLuks)
    return absl::InvalidArgumentError(path + ": encrypted in another way than LUKS");
  header.encrypted = crypt == kLuks;
  header.size_bytes = absl::big_endian::Load64(head.data() + 24);
  for (std::size_t at = version == 2 ? 72 : be32(100); at + 8 <= head.size();) {
    const std::uint32_t type = be32(at), size = be32(at + 4);
    if (type == 0) break;
    if (size > head.size() - at - 8) return damaged();
    if (type == kBackingFormat) header.format = head.substr(at + 8, size);
    if (type == kDataFile) header.data_file = head.substr(at + 8, size);
    at += 8 + (std::size_t{size} + 7) / 8 * 8;
  }
  const std::uint64_t name_at = absl::big_endian::Load64(head.data() + 8);
  const std::uint32_t name_bytes = be32(16);
  if (name_at == 0) return header;
  if (name_bytes == 0 || name_bytes > kMaxName || name_at > head.size() ||
      name_bytes > head.size() - name_at)
    return damaged();
  header.backing = head.substr(name_at, name_bytes);
  return header;
}

bool HasProtocol(const std::string& name) {
  const std::size_t colon = name.find(':');
  return colon != std::string::npos && name.find('/') > colon;
}

}  // namespace

absl::StatusOr<std::vector<ChainImage>> ReadChain(const std::string& path) {
  std::vector<ChainImage> chain = {{.path = path, .format = "qcow2"}};
  while (chain.size() < kMaxChain) {
    ChainImage& image = chain.back();
    if (image.format == "raw") return chain;
    ASSIGN_OR_RETURN(const std::string head, ReadHead(image.path));
    ASSIGN_OR_RETURN(const Header header, ParseHeader(head, image.path));
    image.encrypted = header.encrypted;
    image.size_bytes = header.size_bytes;
    const fs::path folder = fs::path(image.path).parent_path();
    if (HasProtocol(header.data_file))
      return absl::InvalidArgumentError(image.path + ": its data is not in a file");
    // QEMU would look for it where it was started.
    if (!header.data_file.empty()) image.data_file = (folder / header.data_file).string();
    if (header.backing.empty()) return chain;
    if (HasProtocol(header.backing) || (header.format != "raw" && header.format != "qcow2")) {
      return absl::InvalidArgumentError(image.path +
                                        ": its backing file is neither a raw nor a qcow2 file");
    }
    chain.push_back(
        {.path = (folder / header.backing).lexically_normal().string(), .format = header.format});
  }
  return absl::InvalidArgumentError(path + ": its backing chain is too long");
}

absl::StatusOr<QemuImage> QemuImage::Open(const std::string& path,
                                          const std::string& master_key_file,
                                          std::string secret_id) {
  QemuImage image;
  image.secret_id_ = std::move(secret_id);
  ASSIGN_OR_RETURN(image.chain_, ReadChain(path));
  bool encrypted = false;
  for (const ChainImage& each : image.chain_) {
    encrypted = encrypted || each.encrypted;
    if (!each.encrypted || image.key_ != nullptr) continue;
    if (master_key_file.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(each.path, ": is encrypted, and there is no key: give --master-key-file"));
    }
    fs::path folder = fs::absolute(each.path).parent_path();
    for (std::size_t i = 0; i <= kFoldersAbove; ++i, folder = folder.parent_path()) {
      if (!GroupKey::Exists(folder.string())) continue;
      ASSIGN_OR_RETURN(const MasterKeys keys, MasterKeys::Load(master_key_file));
      ASSIGN_OR_RETURN(image.key_, GroupKey::Load(folder.string(), keys));
      break;
    }
  }
  if (encrypted && image.key_ == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": is encrypted, and no folder above it has a ", kGroupKeyFile));
  }
  return image;
}

std::string QemuImage::Blockdev() const {
  json below;
  for (auto it = chain_.rbegin(); it != chain_.rend(); ++it) {
    json image = {{"driver", it->format}, {"file", {{"driver", "file"}, {"filename", it->path}}}};
    if (it->encrypted) image["encrypt"] = {{"format", "luks"}, {"key-secret", secret_id_}};
    if (!it->data_file.empty())
      image["data-file"] = {{"driver", "file"}, {"filename", it->data_file}};
    if (!below.is_null()) image["backing"] = std::move(below);
    below = std::move(image);
  }
  return below.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<int> QemuImage::SecretFd() {
  if (key_ == nullptr) return -1;
  if (secret_.valid()) return secret_.get();
  Fd fd(memfd_create("godwit-secret", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("memfd_create");
  const std::string& bytes = key_->passphrase().bytes();
  if (write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    return ErrnoStatus("memfd");
  secret_ = std::move(fd);
  return secret_.get();
}

absl::StatusOr<std::vector<std::string>> QemuImage::SecretArguments(const std::string& option) {
  if (key_ == nullptr) return std::vector<std::string>{};
  ASSIGN_OR_RETURN(const int fd, SecretFd());
  return std::vector<std::string>{
      option, absl::StrCat("secret,id=", secret_id_, ",file=/proc/self/fd/", fd)};
}

}  // namespace godwit::crypt
