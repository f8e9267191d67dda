#include "agent/tracker/losses.h"

#include "absl/strings/str_cat.h"

namespace godwit::agent {

TrackerLosses operator+(const TrackerLosses& a, const TrackerLosses& b) {
  return {.out_of_range = a.out_of_range + b.out_of_range,
          .passthrough = a.passthrough + b.passthrough,
          .ranges_dropped = a.ranges_dropped + b.ranges_dropped,
          .bios_dropped = a.bios_dropped + b.bios_dropped,
          .unknown_ends = a.unknown_ends + b.unknown_ends,
          .recursion_misses = a.recursion_misses + b.recursion_misses,
          .completions_missed = a.completions_missed + b.completions_missed,
          .events_lost = a.events_lost + b.events_lost};
}

std::string LossesText(const TrackerLosses& losses) {
  std::string out;
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) absl::StrAppend(&out, out.empty() ? "" : ", ", count, " ", what);
  };
  add(losses.out_of_range, "requests outside of the disk");
  add(losses.passthrough, "passthrough writes");
  add(losses.ranges_dropped, "dropped ranges");
  add(losses.bios_dropped, "bios more than can be noted");
  add(losses.unknown_ends, "ends of bios that were not noted");
  add(losses.recursion_misses, "recursion misses");
  add(losses.completions_missed, "ends of discards not seen");
  add(losses.events_lost, "lost trace events");
  return out;
}

}  // namespace godwit::agent
