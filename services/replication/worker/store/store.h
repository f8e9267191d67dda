// Staging store of a worker: the replicas of source servers ("groups": all disks of a server),
// their points and clones.
//
// A group is written by one worker at a time: the one with the highest lease generation. What
// Sync() covered survives a power cut. Commit() makes the present content of all disks a point,
// atomically; points never change.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/block/block.h"
#include "services/common/block/hash.h"

namespace godwit::store {

struct DiskSpec {
  std::string disk_id;
  std::string device_name;  // on the source
  std::uint64_t size_bytes = 0;
  bool is_boot_disk = false;
  bool operator==(const DiskSpec&) const = default;
};

struct PointFacts {
  std::int64_t epoch = 0;
  absl::Time cut_time;
  absl::Time commit_time;  // set by Commit
  int consistency = 0;     // Point.Consistency
  absl::Duration freeze_time = absl::ZeroDuration();
  std::string request_id;                          // may be empty
  absl::Time quiesce_time = absl::InfinitePast();  // InfinitePast: no hooks ran
  // Set by Commit; RootHash() of digests.h. Empty when too much would have to be read for it.
  std::string root_hash;
  std::int64_t changed_bytes = 0;  // set by Commit
  // The root hash is wanted whatever it costs.
  bool root_hash_wanted = false;
  // Need not be kept once a later epoch is committed. Commit answers with false when the store made
  // a point of it nevertheless.
  bool interim = false;
};

// Consecutive sectors of 512 bytes.
struct SectorRun {
  std::uint64_t sector = 0;
  block::Bytes bytes;
};

struct PointSize {
  std::int64_t epoch = 0;
  std::int64_t own_bytes = 0;
};

struct CloneFile {
  DiskSpec disk;
  std::string path;  // qcow2 overlay, absolute
};

// Thread-safe: calls are serialized.
class Group {
 public:
  virtual ~Group() = default;
  virtual const std::vector<DiskSpec>& disks() const = 0;
  virtual std::int64_t lease_generation() const = 0;
  // Random, made with the group: tells this replica from any other of the same server.
  virtual const std::string& replica_id() const = 0;
  // 0 before the first point.
  virtual std::int64_t committed_epoch() const = 0;
  // Nothing was ever written to the disk.
  virtual bool Empty(std::size_t disk) const = 0;
  // Not OK after a failed sync or commit: then nobody knows what the medium holds, and the group
  // must be opened anew.
  virtual absl::Status Healthy() const = 0;
  // The newest points first, at most `limit`.
  virtual std::vector<PointFacts> Points(std::size_t limit) const = 0;

  // Whole consecutive blocks; `bytes` ends with the last block (which is short at the end of the
  // disk) and begins at a 4096-byte aligned address. RESOURCE_EXHAUSTED: the store is full.
  // INVALID_ARGUMENT: out of the disk.
  virtual absl::Status Write(std::size_t disk, std::uint64_t first_block,
                             block::MutableBytes bytes) = 0;
  // The blocks read as zeros from now on.
  virtual absl::Status Zero(std::size_t disk, std::uint64_t first_block,
                            std::uint64_t block_count) = 0;
  // Whole sectors, ascending; the rest of their blocks stays what it is. INVALID_ARGUMENT: out of
  // the disk.
  virtual absl::Status Patch(std::size_t disk, const std::vector<SectorRun>& runs) = 0;
  // The digest of a block's present content; nullopt when it must be taken as different from any
  // other.
  virtual absl::StatusOr<std::optional<block::Digest>> DigestAt(std::size_t disk,
                                                                std::uint64_t block) = 0;
  // The digest of what is really there; *damaged: it is not what was written.
  virtual absl::StatusOr<block::Digest> ReadBack(std::size_t disk, std::uint64_t block,
                                                 bool* damaged) = 0;
  // All that was written before the call survives a power cut and is seen by whoever opens the
  // group next. ABORTED when a newer lease generation opened it meanwhile.
  virtual absl::Status Sync() = 0;
  // Makes the present content point `facts.epoch` (the one after committed_epoch(); the committed
  // one again is answered as before). ABORTED when a newer lease generation opened the group
  // meanwhile.
  virtual absl::StatusOr<PointFacts> Commit(const PointFacts& facts) = 0;
  // Nothing comes for now: when the last commit was an interim one it becomes a point, which is
  // returned.
  virtual absl::StatusOr<std::optional<PointFacts>> Rest() = 0;

  // A writable view of a point; the same id again gives the same clone. NOT_FOUND: no such point.
  // Epoch 0 is for looking only: the newest point or, while there is none, what arrived so far (no
  // state that the disks ever had, and it goes on changing). FAILED_PRECONDITION: not now.
  virtual absl::StatusOr<std::vector<CloneFile>> CreateClone(const std::string& clone_id,
                                                             std::int64_t epoch) = 0;
  // Also when there is none.
  virtual absl::Status DeleteClone(const std::string& clone_id) = 0;
  // Forgets points and reclaims what only they need; unknown ones are ignored. Clones of them stay
  // what they are. FAILED_PRECONDITION: the newest point.
  virtual absl::Status DeletePoints(const std::vector<std::int64_t>& epochs) = 0;
  // What all of it takes of the store.
  virtual std::int64_t AllocatedBytes() const = 0;
  // What nothing but each point needs: the bytes of its layers (behind the point before it) that
  // the next one replaces, of the newest point all of them. The newest first, at most `limit`; what
  // the store does not know is left out. Takes a while, but nobody waits for it.
  virtual std::vector<PointSize> PointSizes(std::size_t limit) const {
    static_cast<void>(limit);
    return {};
  }
};

struct StoreSpace {
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;
};

// Thread-safe.
class Store {
 public:
  virtual ~Store() = default;
  // Kept in the store; workers that share a store share it.
  virtual const std::string& id() const = 0;
  virtual absl::StatusOr<StoreSpace> Space() const = 0;
  // Opens or creates the group `server_id` for writing and fences all older generations off. Disks
  // are matched by id; a new disk is added, a changed size is INVALID_ARGUMENT. ABORTED: a newer
  // generation has it.
  virtual absl::StatusOr<std::shared_ptr<Group>> OpenGroup(const std::string& server_id,
                                                           std::int64_t lease_generation,
                                                           const std::vector<DiskSpec>& disks) = 0;
  // The same for a group whose content is encrypted at rest. FAILED_PRECONDITION: the store cannot
  // (no master key), or it holds content of the group that is not encrypted; says what to do.
  // OpenGroup of a group that is encrypted opens it so, too.
  virtual absl::StatusOr<std::shared_ptr<Group>> OpenEncryptedGroup(
      const std::string& server_id, std::int64_t lease_generation,
      const std::vector<DiskSpec>& disks) {
    (void)server_id, (void)lease_generation, (void)disks;
    return absl::FailedPreconditionError("this kind of staging store cannot encrypt");
  }
  // Removes the group with points and clones. Also when there is none.
  virtual absl::Status RemoveGroup(const std::string& server_id) = 0;
};

}  // namespace godwit::store
