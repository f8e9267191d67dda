// The file that receives a disk's blocks until the next point: the raw base before the first point,
// a layer after it. Data is journaled by Sync(), so that a restarted worker knows what it holds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "services/replication/worker/store/block_file.h"
#include "services/replication/worker/store/journal.h"
#include "services/replication/worker/store/qcow2.h"

namespace godwit::store {

// Not thread-safe.
class OpenFile {
 public:
  enum class Kind { kBase, kLayer };
  // Opens `path` (made when missing) and its journal `path` + ".journal". *journaled receives what
  // it holds already.
  static absl::StatusOr<std::unique_ptr<OpenFile>> Open(const std::string& path, Kind kind,
                                                        std::uint64_t disk_bytes,
                                                        std::vector<Placed>* journaled,
                                                        const crypt::GroupKeyPtr& group);
  Kind kind() const { return kind_; }
  const std::string& path() const { return file_.path(); }
  // Null: not encrypted.
  const FileCipherPtr& cipher() const { return file_.cipher(); }
  // Of an encrypted base: the blocks that it has, ascending.
  std::vector<std::uint64_t> Written() const;
  // Something was written since it was made.
  bool used() const { return used_; }
  // Of a layer: bytes of the blocks that it holds (zero blocks count as their size).
  std::uint64_t held_bytes() const { return placed_.size() * std::uint64_t{block::kBlockSize}; }

  // One digest per block of `bytes`.
  absl::Status Write(std::uint64_t first_block, block::MutableBytes bytes,
                     const std::vector<block::Digest>& digests);
  absl::Status Zero(std::uint64_t first_block, std::uint64_t count);
  // Reads a block that it holds.
  absl::Status Read(std::uint64_t block, block::MutableBytes bytes) const;
  // Data first, then the journal.
  absl::Status Sync();
  // Of a layer: makes it a qcow2 image. Nothing is written afterwards.
  absl::Status Seal(const Backing& backing);
  // The journal is no longer needed: a manifest names the file.
  absl::Status DropJournal();

 private:
  OpenFile(BlockFile file, Journal journal, Kind kind, std::uint64_t disk_bytes)
      : file_(std::move(file)),
        journal_(std::move(journal)),
        kind_(kind),
        disk_bytes_(disk_bytes) {}
  absl::Status WriteRun(std::uint64_t first_block, block::MutableBytes bytes, std::uint64_t offset,
                        const block::Digest* digests);

  BlockFile file_;
  Journal journal_;
  const Kind kind_;
  const std::uint64_t disk_bytes_;
  bool used_ = false;
  std::vector<Placed> unsynced_;
  // Of layers only: a base has every block at its own place.
  std::unordered_map<std::uint64_t, Placed> placed_;
  std::uint64_t end_cluster_ = 1;
  // Of an encrypted base only, where a hole is no zeros: the blocks that it has. Space of blocks
  // that became zeros is given back once the journal says so.
  std::vector<bool> written_;
  std::vector<std::uint64_t> to_punch_;
};

}  // namespace godwit::store
