// The digests of all blocks of a disk and the root hash over them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/common/block/hash.h"

namespace godwit::store {

// Not thread-safe. 16 bytes of memory per block: 256 MiB for a disk of 1 TiB.
class DigestList {
 public:
  // Of a disk of zeros.
  explicit DigestList(std::uint64_t disk_bytes);
  std::uint64_t size() const { return digests_.size(); }
  const block::Digest& at(std::uint64_t block) const { return digests_[block]; }
  // The digest is that of zeros.
  bool IsZero(std::uint64_t block) const;
  void Set(std::uint64_t block, const block::Digest& digest);
  void SetZero(std::uint64_t block);

  // SHA-256 over the SHA-256 of each run of 4096 digests. Only runs that changed since the last
  // call are hashed again.
  std::string DiskHash();

 private:
  static constexpr std::uint64_t kRun = 4096;
  const std::uint64_t disk_bytes_;
  std::vector<block::Digest> digests_;
  std::vector<std::string> run_hashes_;  // "" when it must be made anew
};

// The root hash of a point, hex: SHA-256 over, for each disk in order, its id, a zero byte, its
// size in bytes (8 bytes, little endian) and DiskHash().
class RootHash {
 public:
  void Add(const std::string& disk_id, std::uint64_t disk_bytes, const std::string& disk_hash);
  std::string Hex() const;

 private:
  std::string text_;
};

}  // namespace godwit::store
