// Where the sealed files of a volume hold each block's newest content.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/common/block/block.h"
#include "services/replication/worker/store/block_file.h"
#include "services/replication/worker/store/journal.h"

namespace godwit::store {

// Eight bytes for each block. Not thread-safe.
class SealedBlocks {
 public:
  explicit SealedBlocks(std::uint64_t block_count) : places_(block_count) {}

  // A file that lies under all others: every block at its own place.
  absl::Status AddBase(const std::string& path);
  // A layer above all that were added before.
  absl::Status AddLayer(const std::string& path, const std::vector<Placed>& blocks);
  // The layer `path` took the place of itself and of the layers `below` that lay next to it.
  absl::Status Merged(const std::string& path, const std::vector<std::string>& below);

  // Zeros where no file holds the block.
  absl::Status Read(std::uint64_t block, block::MutableBytes bytes) const;

 private:
  using FileNumber = std::uint32_t;  // 0: none
  static constexpr std::uint32_t kZeros = UINT32_MAX;
  struct Place {
    FileNumber file = 0;
    std::uint32_t cluster = 0;  // of 64 KiB in the file, or kZeros
  };
  absl::Status Open(const std::string& path, FileNumber* number);

  std::vector<Place> places_;
  std::map<std::string, FileNumber> numbers_;
  std::map<FileNumber, BlockFile> files_;
  FileNumber last_ = 0;
};

}  // namespace godwit::store
