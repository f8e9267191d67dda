// Marks that may be missing.
#pragma once

#include <cstdint>
#include <string>

namespace godwit::agent {

// What a tracker counted of marks that may be missing, since it began to track.
struct TrackerLosses {
  std::uint64_t out_of_range = 0, passthrough = 0, ranges_dropped = 0, bios_dropped = 0,
                unknown_ends = 0, recursion_misses = 0, completions_missed = 0, events_lost = 0;
};
TrackerLosses operator+(const TrackerLosses& a, const TrackerLosses& b);
// "2 passthrough writes, 1 recursion misses"; empty when nothing was lost.
std::string LossesText(const TrackerLosses& losses);

}  // namespace godwit::agent
