// A group in a folder: manifest.g{generation}.json, replica_id, one folder for each disk, clones/.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/replication/worker/store/store.h"
#include "services/replication/worker/store/volume.h"

namespace godwit::store {

class FileGroup final : public Group {
 public:
  static absl::StatusOr<std::shared_ptr<FileGroup>> Open(const std::string& folder,
                                                         std::int64_t generation,
                                                         const std::vector<DiskSpec>& disks);
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
  absl::StatusOr<std::optional<block::Digest>> DigestAt(std::size_t disk,
                                                        std::uint64_t block) override;
  absl::Status Sync() override;
  absl::StatusOr<PointFacts> Commit(const PointFacts& facts) override;
  absl::StatusOr<std::vector<CloneFile>> CreateClone(const std::string& clone_id,
                                                     std::int64_t epoch) override;
  absl::Status DeleteClone(const std::string& clone_id) override;
  absl::Status DeletePoints(const std::vector<std::int64_t>& epochs) override;
  std::int64_t AllocatedBytes() const override;

 private:
  FileGroup(std::string folder, std::int64_t generation, std::vector<DiskSpec> disks)
      : folder_(std::move(folder)), generation_(generation), disks_(std::move(disks)) {}
  absl::Status CheckRange(std::size_t disk, std::uint64_t first_block, std::uint64_t count) const;
  absl::Status Usable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Broken(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Publish(const replication::v1::StagingManifest& manifest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Epochs that clones stand on.
  absl::StatusOr<std::vector<std::int64_t>> ClonedEpochs() const;

  const std::string folder_;
  const std::int64_t generation_;
  const std::vector<DiskSpec> disks_;
  std::string replica_id_;  // set by Open
  std::atomic<std::int64_t> committed_{0};
  mutable absl::Mutex mutex_;
  replication::v1::StagingManifest manifest_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Volume>> volumes_ ABSL_GUARDED_BY(mutex_);
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::store
