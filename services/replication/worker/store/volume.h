// The replica of one disk: sealed files from the bottom up, and the open file that receives the
// blocks of the next point.
//
// Folder of a volume, inside of the generation's (fence.h): base.raw (initial sync in place),
// old.raw (the base of an initial sync that an older generation began), *.digests of either,
// e{E}.qcow2 (layer of epoch E), and *.journal beside files that are still open. Of an encrypted
// group a base has an image beside it, see qcow2.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/replication/v1/staging.pb.h"
#include "services/replication/worker/store/delta_log.h"
#include "services/replication/worker/store/digests.h"
#include "services/replication/worker/store/open_file.h"
#include "services/replication/worker/store/sealed_blocks.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

// Not thread-safe.
class Volume {
 public:
  // `folder` is the generation's, `older` those of older generations, oldest first; `staged` the
  // disk as the manifest has it (without files when new). Takes over what older generations left
  // journaled; what nothing names is removed.
  static absl::StatusOr<std::unique_ptr<Volume>> Open(const std::string& folder,
                                                      const std::vector<std::string>& older,
                                                      const replication::v1::StagedDisk& staged,
                                                      std::int64_t committed_epoch,
                                                      const crypt::GroupKeyPtr& group);
  bool empty() const {
    return files_.empty() && (open_ == nullptr || !open_->used()) && !old_base_;
  }
  const replication::v1::StagedDisk& staged() const { return staged_; }

  absl::Status Write(std::uint64_t first_block, block::MutableBytes bytes);
  absl::Status Zero(std::uint64_t first_block, std::uint64_t count);
  // The rest of the sectors' blocks stays what it is.
  absl::Status Patch(const std::vector<SectorRun>& runs);
  absl::StatusOr<std::optional<block::Digest>> DigestAt(std::uint64_t block);
  // The digest of what was written; nullopt when it is not known without reading.
  std::optional<block::Digest> KnownDigest(std::uint64_t block) const {
    if (unsure_[block] || unhashed_[block] || old_base_) return std::nullopt;
    return digests_.at(block);
  }
  // What the block holds is not what was written: it is read when somebody asks.
  void Distrust(std::uint64_t block) { SetHashed(block, false); }
  // The present content.
  absl::Status Read(std::uint64_t block, block::MutableBytes bytes) const;
  absl::Status Sync();
  // Puts what arrived before the first point into `folder`, as files for reading that go on
  // changing; an empty Backing when nothing did. FAILED_PRECONDITION: it is not in one file.
  absl::StatusOr<Backing> LinkUnfinished(const std::string& folder) const;
  // All content is sealed: what comes next may go to a delta log.
  bool clean() const {
    return !files_.empty() && !old_base_ && (open_ == nullptr || !open_->used());
  }
  // Blocks whose digests must be made anew for DiskHash, by reading them.
  std::uint64_t unhashed() const { return unhashed_count_; }
  absl::StatusOr<std::string> DiskHash();

  // Seals the open file for `epoch`: then the disk as a manifest with that point has it. After
  // Sync.
  absl::StatusOr<replication::v1::StagedDisk> Seal(std::int64_t epoch, std::int64_t* changed_bytes);
  // The same with pages of a delta log instead of the open file; clean().
  absl::StatusOr<replication::v1::StagedDisk> SealDelta(std::int64_t epoch, const DeltaPages& pages,
                                                        const BlockFile& log,
                                                        std::int64_t* changed_bytes);
  // The manifest with the answer of either is durable.
  absl::Status Sealed(std::int64_t epoch, replication::v1::StagedDisk staged);
  // The files changed (points were merged).
  absl::Status Replace(replication::v1::StagedDisk staged);

 private:
  Volume(std::string folder, replication::v1::StagedDisk staged, std::int64_t committed_epoch,
         crypt::GroupKeyPtr group);
  void SetFiles();
  absl::Status LoadDigests();
  absl::Status TakeOver(const std::string& older);
  absl::Status TakeOverLayer(const std::string& path);
  absl::Status OpenOwn();
  absl::Status KeepOldBase();
  absl::Status RemoveUnnamed();
  absl::StatusOr<OpenFile*> Open();
  absl::StatusOr<std::unique_ptr<OpenFile>> OpenNow(std::vector<Placed>* held);
  // A base's digests and, when it is encrypted with `cipher`, its image.
  absl::Status SealBase(const std::string& name, const FileCipherPtr& cipher);
  void SetHashed(std::uint64_t block, bool hashed);
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  // Names relative to folder_.
  std::string Base() const { return staged_.disk_id() + "/base.raw"; }
  std::string OldBase() const { return staged_.disk_id() + "/old.raw"; }
  std::string Layer() const;

  const std::string folder_;  // the generation's
  replication::v1::StagedDisk staged_;
  std::int64_t committed_epoch_;
  const crypt::GroupKeyPtr group_;  // null: not encrypted
  std::vector<std::string> files_;  // of staged_
  // There is an OldBase(); its former writer may still be awake, so what it holds is never taken as
  // equal to anything.
  bool old_base_ = false;
  FileCipherPtr old_cipher_;  // of the old base
  std::unique_ptr<OpenFile> open_;
  SealedBlocks sealed_;
  DigestList digests_;
  // Blocks whose digest was not computed from bytes seen since Open.
  std::vector<bool> unsure_;
  // Blocks that fine layers changed since their digest was computed.
  std::vector<bool> unhashed_;
  std::uint64_t unhashed_count_ = 0;
};

}  // namespace godwit::store
