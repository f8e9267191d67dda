// How much a server may send at a moment: its limit and the windows of the day.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace godwit::coordinator {

struct BandwidthWindow {
  int start_minute = 0;  // since midnight UTC
  int end_minute = 0;    // not included; smaller than start_minute: on the next day
  int weekday_mask = 0;  // of the day it begins on; bit 0 is Monday; 0: every day
  std::int64_t limit_bytes_per_second = 0;  // 0: nothing is sent
};

struct Bandwidth {
  bool paused = false;
  std::int64_t limit_bytes_per_second = 0;    // 0: unlimited; does not count when paused
  absl::Time until = absl::InfiniteFuture();  // it does not change before
};

// The first window that contains `now` counts; `limit_bytes_per_second` (0: unlimited) outside of
// all.
Bandwidth BandwidthAt(std::int64_t limit_bytes_per_second,
                      const std::vector<BandwidthWindow>& windows, absl::Time now);

}  // namespace godwit::coordinator
