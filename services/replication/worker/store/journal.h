// Journal of a file that is still open: which blocks it holds durably, where, with which digest.
// Appended after the data was synced, so every record in it is true after a power cut; a torn tail
// is cut off by its checksum.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/common/block/hash.h"

namespace godwit::store {

// Where a block's content is.
struct Placed {
  static constexpr std::uint64_t kZero = ~std::uint64_t{0};
  std::uint64_t block = 0;
  std::uint64_t offset = 0;  // in the file, or kZero
  block::Digest digest;
};

// Not thread-safe.
class Journal {
 public:
  // Opens `path` or makes it; `*records` receives what it holds, in the order of writing (later
  // ones win).
  static absl::StatusOr<Journal> Open(const std::string& path, std::vector<Placed>* records);
  // Reads without opening for writing. No file: empty.
  static absl::StatusOr<std::vector<Placed>> Read(const std::string& path);
  // Appends and syncs.
  absl::Status Append(const std::vector<Placed>& records);

 private:
  Journal(Fd fd, std::string path, std::uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}
  Fd fd_;
  std::string path_;
  std::uint64_t size_;
};

// Records in the form of journals and layer tables, 40 bytes each.
inline constexpr std::size_t kPlacedBytes = 40;
void EncodePlaced(const Placed& placed, std::uint8_t* out);
// False: the checksum is wrong.
bool DecodePlaced(const std::uint8_t* in, Placed* placed);

}  // namespace godwit::store
