#include "bench/programs/discard_store.h"

#include <atomic>

#include "services/common/base/ids.h"

namespace godwit::bench {
namespace {

class DiscardGroup final : public store::Group {
 public:
  DiscardGroup(std::int64_t generation, std::vector<store::DiskSpec> disks)
      : generation_(generation), disks_(std::move(disks)) {}
  const std::vector<store::DiskSpec>& disks() const override { return disks_; }
  std::int64_t lease_generation() const override { return generation_; }
  const std::string& replica_id() const override { return id_; }
  std::int64_t committed_epoch() const override { return epoch_; }
  bool Empty(std::size_t) const override { return true; }
  absl::Status Healthy() const override { return absl::OkStatus(); }
  std::vector<store::PointFacts> Points(std::size_t) const override { return {}; }
  absl::Status Write(std::size_t, std::uint64_t, block::MutableBytes) override {
    return absl::OkStatus();
  }
  absl::Status Zero(std::size_t, std::uint64_t, std::uint64_t) override { return absl::OkStatus(); }
  absl::Status Patch(std::size_t, const std::vector<store::SectorRun>&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<block::Digest> ReadBack(std::size_t, std::uint64_t, bool*) override {
    return absl::UnimplementedError("what came is thrown away");
  }
  absl::StatusOr<std::optional<store::PointFacts>> Rest() override { return std::nullopt; }
  absl::StatusOr<std::optional<block::Digest>> DigestAt(std::size_t, std::uint64_t) override {
    return std::nullopt;
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<store::PointFacts> Commit(const store::PointFacts& facts) override {
    epoch_ = facts.epoch;
    return facts;
  }
  absl::StatusOr<std::vector<store::CloneFile>> CreateClone(const std::string&,
                                                            std::int64_t) override {
    return absl::NotFoundError("nothing is kept");
  }
  absl::Status DeleteClone(const std::string&) override { return absl::OkStatus(); }
  absl::Status DeletePoints(const std::vector<std::int64_t>&) override { return absl::OkStatus(); }
  std::int64_t AllocatedBytes() const override { return 0; }

 private:
  const std::int64_t generation_;
  const std::vector<store::DiskSpec> disks_;
  const std::string id_ = NewUuid();
  std::atomic<std::int64_t> epoch_{0};
};

class DiscardStore final : public store::Store {
 public:
  const std::string& id() const override { return id_; }
  absl::StatusOr<store::StoreSpace> Space() const override { return store::StoreSpace{}; }
  absl::StatusOr<std::shared_ptr<store::Group>> OpenGroup(
      const std::string&, std::int64_t generation,
      const std::vector<store::DiskSpec>& disks) override {
    return std::make_shared<DiscardGroup>(generation, disks);
  }
  absl::Status RemoveGroup(const std::string&) override { return absl::OkStatus(); }

 private:
  const std::string id_ = NewUuid();
};

}  // namespace

std::unique_ptr<store::Store> OpenDiscardStore() { return std::make_unique<DiscardStore>(); }

}  // namespace godwit::bench
