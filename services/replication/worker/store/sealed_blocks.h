// Where the sealed files of a volume hold each block's newest content.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "services/common/block/block.h"
#include "services/replication/worker/store/block_file.h"
#include "services/replication/worker/store/digests.h"
#include "services/replication/worker/store/qcow2.h"

namespace godwit::store {

// Eight bytes for each block, and 136 for each block of which fine layers hold pages. Not
// thread-safe.
class SealedBlocks {
 public:
  // `group`: its files are encrypted.
  SealedBlocks(std::uint64_t disk_bytes, crypt::GroupKeyPtr group)
      : disk_bytes_(disk_bytes), group_(std::move(group)), places_(block::BlockCount(disk_bytes)) {}

  // A file that lies under all others: every block at its own place. Where it is encrypted a hole
  // is no zeros, so those that are zeros come from `digests`.
  absl::Status AddBase(const std::string& path, const DigestList& digests);
  // A layer above all that were added before.
  absl::Status AddLayer(const std::string& path, const LayerTable& table);
  // The layer `path` took the place of itself and of the layers `below` that lay next to it.
  absl::Status Merged(const std::string& path, const std::vector<std::string>& below);

  // Blocks and pages (of 4 KiB) of the disk. Zeros where no file holds them.
  absl::Status ReadBlock(std::uint64_t block, block::MutableBytes bytes) const;
  absl::Status ReadPage(std::uint64_t page, block::MutableBytes bytes) const;

 private:
  using FileNumber = std::uint32_t;  // 0: none
  static constexpr std::uint32_t kZeros = UINT32_MAX;
  struct Place {
    FileNumber file = 0;
    std::uint32_t cluster = 0;  // in the file, or kZeros
  };
  using Pages = std::array<Place, kPagesPerBlock>;  // without file: as places_ has it
  void Add(const std::string& path, BlockFile file, FileNumber* number);
  absl::Status Read(const Place& place, std::uint32_t cluster_bytes, std::uint64_t from,
                    block::MutableBytes bytes) const;
  // Where `page` comes from.
  Place PlaceOf(std::uint64_t page, bool* fine) const;

  const std::uint64_t disk_bytes_;
  const crypt::GroupKeyPtr group_;
  std::vector<Place> places_;
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<Pages>> pages_;  // by block
  std::map<std::string, FileNumber> numbers_;
  std::map<FileNumber, BlockFile> files_;
  FileNumber last_ = 0;
};

}  // namespace godwit::store
