// What nothing but a point needs of the layers of a disk.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "godwit/replication/v1/staging.pb.h"
#include "services/common/crypt/group_key.h"
#include "services/replication/worker/store/qcow2.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

// Bytes of data in `lower` layers that `upper` ones replace, whatever their clusters.
std::int64_t ReplacedBytes(const std::vector<LayerTable>& lower,
                           const std::vector<LayerTable>& upper);

// Thread-safe. Remembers what it found of files that did not change: sealed ones never do.
class PointSizer {
 public:
  // Of all points of a manifest, newest first, at most `limit`. Only sealed files in `folder` are
  // read; a point some of whose files are gone by now or too large for it (kMostBytes) is left out.
  std::vector<PointSize> Sizes(const std::string& folder,
                               const replication::v1::StagingManifest& manifest, std::size_t limit,
                               const crypt::GroupKeyPtr& group = nullptr);

 private:
  // The table of a layer takes memory: of this much between two points at most.
  static constexpr std::int64_t kMostBytes = std::int64_t{16} << 30;
  // What the layers of one disk behind `before` up to `epoch` hold alone, when the next kept point
  // is `after` (0: none). Negative: not known.
  std::int64_t OwnBytes(const std::string& folder, const replication::v1::StagedDisk& disk,
                        std::int64_t before, std::int64_t epoch, std::int64_t after,
                        const crypt::GroupKeyPtr& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  std::map<std::string, std::int64_t> known_ ABSL_GUARDED_BY(mutex_);  // by files
  std::map<std::string, std::int64_t> used_ ABSL_GUARDED_BY(mutex_);   // of them, in this pass
};

}  // namespace godwit::store
