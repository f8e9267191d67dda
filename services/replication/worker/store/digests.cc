#include "services/replication/worker/store/digests.h"

#include <openssl/sha.h>

#include "absl/base/internal/endian.h"
#include "absl/strings/escaping.h"

namespace godwit::store {
namespace {

std::string Sha256(const void* data, std::size_t size) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(static_cast<const unsigned char*>(data), size,
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

}  // namespace

DigestList::DigestList(std::uint64_t disk_bytes)
    : disk_bytes_(disk_bytes),
      digests_(block::BlockCount(disk_bytes), block::ZeroDigest()),
      run_hashes_((digests_.size() + kRun - 1) / kRun) {
  if (!digests_.empty()) SetZero(digests_.size() - 1);
}

bool DigestList::IsZero(std::uint64_t block) const {
  return digests_[block] == block::ZeroDigest(block::BlockBytes(disk_bytes_, block));
}

void DigestList::Set(std::uint64_t block, const block::Digest& digest) {
  digests_[block] = digest;
  run_hashes_[block / kRun].clear();
}

void DigestList::SetZero(std::uint64_t block) {
  Set(block, block::ZeroDigest(block::BlockBytes(disk_bytes_, block)));
}

std::string DigestList::DiskHash() {
  std::string all;
  for (std::uint64_t run = 0; run < run_hashes_.size(); ++run) {
    std::string& hash = run_hashes_[run];
    if (hash.empty()) {
      const std::uint64_t first = run * kRun;
      const std::uint64_t count = std::min<std::uint64_t>(kRun, digests_.size() - first);
      hash = Sha256(digests_.data() + first, count * sizeof(block::Digest));
    }
    all += hash;
  }
  return Sha256(all.data(), all.size());
}

void RootHash::Add(const std::string& disk_id, std::uint64_t disk_bytes,
                   const std::string& disk_hash) {
  text_ += disk_id;
  text_.push_back('\0');
  char size[8];
  absl::little_endian::Store64(size, disk_bytes);
  text_.append(size, sizeof size);
  text_ += disk_hash;
}

std::string RootHash::Hex() const {
  return absl::BytesToHexString(Sha256(text_.data(), text_.size()));
}

}  // namespace godwit::store
