// A store whose groups write to one disk that takes its time and serves in the order of arrival.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/replication/worker/store/store.h"

namespace godwit::testing {

// Thread-safe.
class SlowDisk {
 public:
  explicit SlowDisk(absl::Duration per_mebibyte) : per_mebibyte_(per_mebibyte) {}
  void Write(std::size_t bytes) {
    absl::MutexLock lock(&mutex_);
    const std::uint64_t ticket = last_++;
    const auto mine = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return served_ == ticket; };
    mutex_.Await(absl::Condition(&mine));
    mutex_.Unlock();
    absl::SleepFor(per_mebibyte_ * (static_cast<double>(bytes) / (1 << 20)));
    mutex_.Lock();
    ++served_;
  }

 private:
  const absl::Duration per_mebibyte_;
  absl::Mutex mutex_;
  std::uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0, served_ ABSL_GUARDED_BY(mutex_) = 0;
};

class SlowGroup final : public store::Group {
 public:
  SlowGroup(std::shared_ptr<store::Group> group, SlowDisk& disk)
      : group_(std::move(group)), disk_(disk) {}
  const std::vector<store::DiskSpec>& disks() const override { return group_->disks(); }
  std::int64_t lease_generation() const override { return group_->lease_generation(); }
  const std::string& replica_id() const override { return group_->replica_id(); }
  std::int64_t committed_epoch() const override { return group_->committed_epoch(); }
  bool Empty(std::size_t disk) const override { return group_->Empty(disk); }
  absl::Status Healthy() const override { return group_->Healthy(); }
  std::vector<store::PointFacts> Points(std::size_t limit) const override {
    return group_->Points(limit);
  }
  absl::Status Write(std::size_t disk, std::uint64_t first_block,
                     block::MutableBytes bytes) override {
    disk_.Write(bytes.size());
    return group_->Write(disk, first_block, bytes);
  }
  absl::Status Zero(std::size_t disk, std::uint64_t first, std::uint64_t count) override {
    return group_->Zero(disk, first, count);
  }
  absl::Status Patch(std::size_t disk, const std::vector<store::SectorRun>& runs) override {
    return group_->Patch(disk, runs);
  }
  absl::StatusOr<std::optional<block::Digest>> DigestAt(std::size_t disk,
                                                        std::uint64_t block) override {
    return group_->DigestAt(disk, block);
  }
  absl::StatusOr<block::Digest> ReadBack(std::size_t disk, std::uint64_t block,
                                         bool* damaged) override {
    return group_->ReadBack(disk, block, damaged);
  }
  absl::Status Sync() override { return group_->Sync(); }
  absl::StatusOr<store::PointFacts> Commit(const store::PointFacts& facts) override {
    return group_->Commit(facts);
  }
  absl::StatusOr<std::optional<store::PointFacts>> Rest() override { return group_->Rest(); }
  absl::StatusOr<std::vector<store::CloneFile>> CreateClone(const std::string& id,
                                                            std::int64_t epoch) override {
    return group_->CreateClone(id, epoch);
  }
  absl::Status DeleteClone(const std::string& id) override { return group_->DeleteClone(id); }
  absl::Status DeletePoints(const std::vector<std::int64_t>& epochs) override {
    return group_->DeletePoints(epochs);
  }
  std::int64_t AllocatedBytes() const override { return group_->AllocatedBytes(); }
  std::vector<store::PointSize> PointSizes(std::size_t limit) const override {
    return group_->PointSizes(limit);
  }

 private:
  const std::shared_ptr<store::Group> group_;
  SlowDisk& disk_;
};

class SlowStore final : public store::Store {
 public:
  // Both must outlive it.
  SlowStore(store::Store& store, SlowDisk& disk) : store_(store), disk_(disk) {}
  const std::string& id() const override { return store_.id(); }
  absl::StatusOr<store::StoreSpace> Space() const override { return store_.Space(); }
  absl::StatusOr<std::shared_ptr<store::Group>> OpenGroup(
      const std::string& server, std::int64_t generation,
      const std::vector<store::DiskSpec>& disks) override {
    absl::StatusOr<std::shared_ptr<store::Group>> group =
        store_.OpenGroup(server, generation, disks);
    if (!group.ok()) return group;
    return std::make_shared<SlowGroup>(*std::move(group), disk_);
  }
  absl::Status RemoveGroup(const std::string& server) override {
    return store_.RemoveGroup(server);
  }

 private:
  store::Store& store_;
  SlowDisk& disk_;
};

}  // namespace godwit::testing
