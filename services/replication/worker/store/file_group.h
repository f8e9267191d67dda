// A group in a folder: replica_id, group.key (when it is encrypted), clones/, and for each lease
// generation g{N}/ (see fence.h) with manifest.json, delta-{E}.log (what came after point E) and a
// folder for each disk. A clone holds links of its own to what it stands on, so nothing that
// happens to points or generations touches it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/replication/worker/store/delta_log.h"
#include "services/replication/worker/store/point_sizes.h"
#include "services/replication/worker/store/store.h"
#include "services/replication/worker/store/volume.h"

namespace godwit::store {

class FileGroup final : public Group {
 public:
  // `key_file`: of the master keys; empty: none. `encrypt`: a new group is encrypted; one that is
  // already stays so in any case.
  static absl::StatusOr<std::shared_ptr<FileGroup>> Open(const std::string& folder,
                                                         std::int64_t generation,
                                                         const std::vector<DiskSpec>& disks,
                                                         const std::string& key_file, bool encrypt);
  const std::vector<DiskSpec>& disks() const override { return disks_; }
  std::int64_t lease_generation() const override { return generation_; }
  const std::string& replica_id() const override { return replica_id_; }
  std::int64_t committed_epoch() const override { return committed_; }  // never waits
  absl::Status Healthy() const override;
  bool Empty(std::size_t disk) const override;
  std::vector<PointFacts> Points(std::size_t limit) const override;
  absl::Status Write(std::size_t disk, std::uint64_t first_block,
                     block::MutableBytes bytes) override;
  absl::Status Zero(std::size_t disk, std::uint64_t first_block, std::uint64_t count) override;
  absl::Status Patch(std::size_t disk, const std::vector<SectorRun>& runs) override;
  absl::StatusOr<std::optional<block::Digest>> DigestAt(std::size_t disk,
                                                        std::uint64_t block) override;
  absl::StatusOr<block::Digest> ReadBack(std::size_t disk, std::uint64_t block,
                                         bool* damaged) override;
  absl::Status Sync() override;
  absl::StatusOr<PointFacts> Commit(const PointFacts& facts) override;
  absl::StatusOr<std::optional<PointFacts>> Rest() override;
  absl::StatusOr<std::vector<CloneFile>> CreateClone(const std::string& clone_id,
                                                     std::int64_t epoch) override;
  absl::Status DeleteClone(const std::string& clone_id) override;
  absl::Status DeletePoints(const std::vector<std::int64_t>& epochs) override;
  std::int64_t AllocatedBytes() const override;
  std::vector<PointSize> PointSizes(std::size_t limit) const override;

 private:
  FileGroup(std::string group, std::int64_t generation, std::vector<DiskSpec> disks);
  // Reads the newest manifest and makes its files ours.
  absl::Status TakeManifest(const std::vector<std::int64_t>& generations)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenVolumes(const std::vector<std::int64_t>& generations)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Usable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Broken(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What failed failed because a newer generation took the files away: ABORTED then.
  absl::Status Fenced(absl::Status status) const;
  absl::Status Publish(const replication::v1::StagingManifest& manifest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::int64_t LastPoint() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the content a point: of the volumes, or with the pages of a delta log on top of them.
  absl::StatusOr<PointFacts> Seal(PointFacts facts, const std::vector<DeltaPages>* pages,
                                  const BlockFile* log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Empty when too much would have to be read and it is not wanted.
  absl::StatusOr<std::string> RootHashNow(bool wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SyncAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The delta log (file_group_delta.cc). While there is one, all that comes goes there; with an
  // interim epoch in it, everything in the volumes is sealed.
  std::string DeltaPath(const std::string& folder, std::int64_t epoch) const;
  bool Clean() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status BeginDelta() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Bounds the log after something was added.
  absl::Status Added() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Seals the interim epoch of `found` and carries what came after it over to a new log.
  absl::StatusOr<PointFacts> TakeOverDelta(const DeltaLog::Found& found)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Seals the interim epoch of our own log; nullopt: it has none.
  absl::StatusOr<std::optional<PointFacts>> Promote() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves the content of a log without interim epoch into the volumes.
  absl::Status LeaveDelta() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RecoverDelta(const std::vector<std::int64_t>& generations)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveDelta() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Merges what can be merged; waits for the group only to put the result in its place.
  absl::Status Compact() ABSL_LOCKS_EXCLUDED(mutex_);
  // Fills the folder of a clone: of a point, or of what arrived before the first.
  absl::Status BuildClone(const std::string& folder, std::int64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status BuildView(const std::string& folder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives back what only points that are gone read of the bases.
  absl::Status Reclaim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(compaction_) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string group_;
  const std::int64_t generation_;
  const std::string folder_;  // the generation's
  const std::vector<DiskSpec> disks_;
  std::string replica_id_;        // set by Open
  crypt::GroupKeyPtr group_key_;  // set by Open; null: not encrypted
  std::atomic<std::int64_t> committed_{0};
  mutable absl::Mutex mutex_;
  replication::v1::StagingManifest manifest_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Volume>> volumes_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<DeltaLog> delta_ ABSL_GUARDED_BY(mutex_);
  mutable PointSizer sizer_;
  absl::Mutex compaction_ ABSL_ACQUIRED_BEFORE(mutex_);
  // The oldest point at the time a disk's base was looked through.
  std::map<std::string, std::int64_t> reclaimed_ ABSL_GUARDED_BY(compaction_);
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::store
