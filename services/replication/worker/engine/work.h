// Pieces of work at a group: each in its server's turn, and none that holds a turn while the group
// syncs.
#pragma once

#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "services/replication/worker/engine/group_host.h"
#include "services/replication/worker/engine/turns.h"

namespace godwit::worker {

// From the return of the constructor to the end of the object. `turns` may be null.
class FrameWork {
 public:
  // Frames of several lanes work side by side.
  FrameWork(HostedGroup& hosted, Turns* turns, std::int64_t bytes, double weight)
      : open_(&hosted.gate), turn_(turns, hosted, bytes, weight) {}

 private:
  friend class SyncWork;
  // A turn, and the waiting for it.
  class MeasuredTurn {
   public:
    MeasuredTurn(Turns* turns, HostedGroup& hosted, std::int64_t bytes, double weight)
        : from_(hosted.meter.Now()), turn_(turns, hosted.server, bytes, weight) {
      hosted.meter.Add(WorkMeter::kTurn, hosted.meter.Now() - from_);
    }

   private:
    const absl::Duration from_;
    const Turns::Turn turn_;
  };
  const absl::ReaderMutexLock open_;
  const MeasuredTurn turn_;
};

// Nothing else works at the group meanwhile. Frames go on until it is its turn, and those that are
// in front of it then have turns of their own kind.
class SyncWork {
 public:
  SyncWork(HostedGroup& hosted, Turns* turns, std::int64_t bytes, double weight)
      : turn_(turns, hosted, bytes, weight), closed_(&hosted.gate) {}

 private:
  const FrameWork::MeasuredTurn turn_;
  const absl::WriterMutexLock closed_;
};

}  // namespace godwit::worker
