#include "services/replication/worker/store/rbd/rbd_store.h"

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/check_group.h"
#include "services/replication/worker/store/rbd/cluster.h"
#include "services/replication/worker/store/rbd/group.h"

namespace godwit::store {
namespace {

constexpr char kStoreId[] = "godwit.store_id";

// The cluster's own figures are some seconds old.
constexpr absl::Duration kSpaceAge = absl::Seconds(10);

class RbdStore final : public Store {
 public:
  RbdStore(std::unique_ptr<rbd::Cluster> cluster, std::string id)
      : cluster_(std::move(cluster)), id_(std::move(id)), space_(cluster_->Space()) {
    asking_ = std::thread([this] { AskForSpace(); });
  }
  ~RbdStore() override {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    asking_.join();
  }
  const std::string& id() const override { return id_; }
  // Never waits: heartbeats go on when the cluster is away.
  absl::StatusOr<StoreSpace> Space() const override {
    absl::MutexLock lock(&mutex_);
    return space_;
  }
  absl::StatusOr<std::shared_ptr<Group>> OpenGroup(const std::string& server_id,
                                                   std::int64_t generation,
                                                   const std::vector<DiskSpec>& disks) override {
    RETURN_IF_ERROR(CheckGroup(server_id, disks));
    return rbd::RbdGroup::Open(cluster_->options(), server_id, generation, disks);
  }
  absl::Status RemoveGroup(const std::string& server_id) override {
    RETURN_IF_ERROR(CheckId("source_server", "s-", server_id));
    return rbd::RbdGroup::Remove(cluster_->options(), server_id);
  }

 private:
  void AskForSpace() {
    mutex_.Lock();
    while (!mutex_.AwaitWithTimeout(absl::Condition(&ending_), kSpaceAge)) {
      mutex_.Unlock();
      absl::StatusOr<StoreSpace> space = cluster_->Space();
      mutex_.Lock();
      space_ = std::move(space);
    }
    mutex_.Unlock();
  }

  const std::unique_ptr<rbd::Cluster> cluster_;
  const std::string id_;
  mutable absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  absl::StatusOr<StoreSpace> space_ ABSL_GUARDED_BY(mutex_);
  std::thread asking_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenRbdStore(const RbdOptions& options) {
  ASSIGN_OR_RETURN(auto cluster, rbd::Cluster::Connect(options));
  absl::StatusOr<std::string> id = cluster->Read(kStoreId);
  if (absl::IsNotFound(id.status())) {
    const absl::Status made = cluster->Create(kStoreId, NewUuid());
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
    id = cluster->Read(kStoreId);
  }
  RETURN_IF_ERROR(id);
  RETURN_IF_ERROR(Annotate(CheckUuid("store_id", *id), kStoreId));
  return std::unique_ptr<Store>(new RbdStore(std::move(cluster), *id));
}

}  // namespace godwit::store
