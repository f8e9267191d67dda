// What tracking and capture may have missed, for those who look after it.
#pragma once

#include "absl/strings/string_view.h"
#include "agent/capture/write_capture.h"
#include "agent/engine/tracker.h"
#include "godwit/replication/v1/replication.pb.h"

namespace godwit::agent {

// Counts and the comparisons of whole disks that were begun. Not thread-safe.
class Health {
 public:
  // A disk is compared as a whole from here on.
  void Rescan(absl::string_view disk_id, absl::string_view reason);
  // Of the present process, with the losses of all disks' trackers and of the capture.
  replication::v1::CaptureHealth Report(const TrackerLosses& marks,
                                        const CaptureLosses& writes) const;

 private:
  replication::v1::CaptureHealth rescans_;
};

}  // namespace godwit::agent
