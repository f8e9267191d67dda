// A group in a Ceph pool: an object godwit.group.{server} with claim and manifest
// (rbd_staging.proto), an image and digests for each disk, a redo log.
//
// The claim names who writes: generation, address of its connection, a random number. A new owner
// first cuts the connection of the former one off and then replaces the claim; the manifest is only
// written while the claim is still the writer's own. docs/decisions/0008-rbd-store.md has the
// argument.
//
// Content goes straight into the images while nothing is committed that the next point need not
// have (an initial sync, a rescan). Once the images hold exactly a point, small changes go to the
// redo log, and into the images when their epoch is committed: an interim epoch is a record.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/replication/worker/store/rbd/redo_log.h"
#include "services/replication/worker/store/rbd/volume.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store::rbd {

class RbdGroup final : public Group {
 public:
  static absl::StatusOr<std::shared_ptr<RbdGroup>> Open(const RbdOptions& options,
                                                        const std::string& server,
                                                        std::int64_t generation,
                                                        const std::vector<DiskSpec>& disks);
  static absl::Status Remove(const RbdOptions& options, const std::string& server);
  ~RbdGroup() override;

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
  std::int64_t AllocatedBytes() const override { return allocated_; }  // never waits

 private:
  RbdGroup(std::unique_ptr<Cluster> cluster, std::string server, std::int64_t generation,
           std::vector<DiskSpec> disks);

  // group_open.cc
  absl::Status Claim();
  absl::Status TakeManifest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenVolumes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Does what the log has committed and carries over what came after.
  absl::Status Recover() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AdoptDisks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RemoveAll(const std::string& claim) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // group.cc
  absl::Status Usable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Broken(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckClaim() const;
  // Adds a change to the log; leaves the log when it holds too much that is not committed.
  absl::Status AddToLog(std::size_t disk, std::uint64_t offset, block::Bytes bytes,
                        std::uint64_t zeros) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // group_points.cc
  absl::Status AwaitImages() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Apply(const std::vector<LogRecord>& records) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Publish(replication::v1::RbdManifest next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Publishes `next` with a log that holds only what the present one has uncommitted.
  absl::Status PublishWithNewLog(replication::v1::RbdManifest next)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Commits what the log has as an interim epoch.
  absl::Status CommitLog(const PointFacts& facts) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes what the images hold the point of `facts`.
  absl::StatusOr<PointFacts> MakePoint(PointFacts facts) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TakeSnapshots(std::int64_t epoch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> RootHashNow(bool wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<PointFacts>> Promote() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is uncommitted goes into the images, as everything from now on.
  absl::Status LeaveLog() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::int64_t LastPoint() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountAllocated() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string LogName(std::int64_t number) const;

  // group_clones.cc
  // Removes snapshots and disks that neither a point nor a clone needs, beside the stream.
  absl::Status Reclaim() ABSL_LOCKS_EXCLUDED(mutex_);
  std::set<std::int64_t> NeededEpochs() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<CloneFile> FilesOf(const replication::v1::RbdClone& clone) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MakeOverlays(const replication::v1::RbdClone& clone) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void RemoveOverlays(const std::string& folder);

  const std::unique_ptr<Cluster> cluster_;
  const std::string server_, object_;
  const std::int64_t generation_;
  const std::vector<DiskSpec> disks_;
  std::string claim_;       // set by Open
  std::string replica_id_;  // set by Open
  std::atomic<std::int64_t> committed_{0}, allocated_{0};

  absl::Mutex reclaim_;  // before mutex_
  mutable absl::Mutex mutex_;
  replication::v1::RbdManifest manifest_ ABSL_GUARDED_BY(mutex_);
  // Of disks_, once the group is open.
  std::vector<std::unique_ptr<Volume>> volumes_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<RedoLog> log_ ABSL_GUARDED_BY(mutex_);
  // All that comes goes to the log. Then the images hold exactly the committed epoch.
  bool logging_ ABSL_GUARDED_BY(mutex_) = false;
  // The images hold exactly the committed epoch, and there is one.
  bool clean_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);
};

// godwit.group.{server}
std::string GroupObject(const std::string& server);

}  // namespace godwit::store::rbd
