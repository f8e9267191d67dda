// One RBD image: asynchronous writes with a bound, snapshots, what differs from one.
#pragma once

#include <rbd/librbd.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/block/block.h"
#include "services/replication/worker/store/rbd/cluster.h"

namespace godwit::store::rbd {

// Thread-safe; an image has one user at a time that writes. Reads see all writes before them.
class Image {
 public:
  // Makes it when there is none. `cluster` must outlive the image.
  static absl::StatusOr<std::unique_ptr<Image>> Open(Cluster& cluster, const std::string& name,
                                                     std::uint64_t size_bytes);
  // As it is in a snapshot ("": now), for reading only. NOT_FOUND.
  static absl::StatusOr<std::unique_ptr<Image>> OpenReadOnly(Cluster& cluster,
                                                             const std::string& name,
                                                             const std::string& snapshot);
  // FAILED_PRECONDITION while others have it open: a machine on a clone.
  static absl::Status CheckUnused(Cluster& cluster, const std::string& name);
  // With all snapshots. Also when there is none.
  static absl::Status Remove(Cluster& cluster, const std::string& name);
  ~Image();
  Image(const Image&) = delete;

  // Begins to write; waits for room when much is under way. Fails when an earlier write failed.
  absl::Status Write(std::uint64_t offset, block::Bytes bytes);
  // They read as zeros then, and are given back where whole objects are.
  absl::Status Zero(std::uint64_t offset, std::uint64_t size);
  // Number of the last write that was begun.
  std::uint64_t begun() const;
  // All writes up to that one are in the cluster. Once a write failed, nothing is any more.
  absl::Status Await(std::uint64_t write);
  absl::Status Read(std::uint64_t offset, block::MutableBytes bytes);

  absl::Status Snapshot(const std::string& name);
  // Also when there is none.
  absl::Status RemoveSnapshot(const std::string& name);
  absl::StatusOr<std::vector<std::string>> Snapshots() const;
  // The map of its objects is what it should be.
  absl::StatusOr<bool> MapIsWhole() const;
  // Calls `take` for each range that may differ from the snapshot ("": from an empty disk).
  absl::Status Diff(const std::string& snapshot,
                    const std::function<void(std::uint64_t offset, std::uint64_t size)>& take);

 private:
  struct Begun;
  struct Range {
    std::uint64_t end = 0, number = 0;
  };
  Image(std::string name) : name_(std::move(name)) {}
  static void Done(rbd_completion_t completion, void* begun);
  // Waits until [offset, end) is not under way.
  absl::Status AwaitRange(std::uint64_t offset, std::uint64_t end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Begin(std::uint64_t offset, std::uint64_t size, block::Bytes bytes);

  const std::string name_;
  rbd_image_t image_ = nullptr;
  std::uint64_t size_ = 0;
  absl::Duration patience_;
  mutable absl::Mutex mutex_;
  std::uint64_t begun_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t bytes_under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Range> under_way_ ABSL_GUARDED_BY(mutex_);  // by offset, disjoint
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::store::rbd
