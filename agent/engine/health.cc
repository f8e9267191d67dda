#include "agent/engine/health.h"

#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace godwit::agent {

using google::protobuf::util::TimeUtil;
using replication::v1::CaptureHealth;
using replication::v1::Loss;

void Health::Rescan(absl::string_view disk_id, absl::string_view reason) {
  rescans_.set_rescan_count(rescans_.rescan_count() + 1);
  rescans_.set_rescan_reason(absl::StrCat(disk_id, ": ", reason));
  *rescans_.mutable_rescan_time() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::Now()));
}

CaptureHealth Health::Report(const TrackerLosses& marks, const CaptureLosses& writes) const {
  CaptureHealth health = rescans_;
  const auto add = [&](Loss::Kind kind, std::uint64_t count) {
    if (count == 0) return;
    health.add_losses()->set_kind(kind);
    health.mutable_losses(health.losses_size() - 1)->set_count(static_cast<std::int64_t>(count));
  };
  add(Loss::OUT_OF_RANGE, marks.out_of_range);
  add(Loss::PASSTHROUGH, marks.passthrough);
  add(Loss::RANGES_DROPPED, marks.ranges_dropped);
  add(Loss::BIOS_DROPPED, marks.bios_dropped);
  add(Loss::UNKNOWN_ENDS, marks.unknown_ends);
  add(Loss::RECURSION_MISSES, marks.recursion_misses);
  add(Loss::COMPLETIONS_MISSED, marks.completions_missed);
  add(Loss::EVENTS_LOST, marks.events_lost);
  add(Loss::CAPTURE_DROPPED, writes.dropped);
  add(Loss::CAPTURE_TOO_LARGE, writes.too_large);
  add(Loss::CAPTURE_UNREADABLE, writes.unreadable);
  add(Loss::CAPTURE_LATE, writes.late);
  add(Loss::CAPTURE_MISSES, writes.misses);
  return health;
}

}  // namespace godwit::agent
