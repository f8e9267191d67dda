// Notes of bios whose end was not seen, and whose address did not come again.
#pragma once

#include "absl/time/time.h"

namespace godwit::agent {

// Not thread-safe; the map is shared with the kernel.
class BioNotes {
 public:
  // A note that is older is of a bio whose end was not seen: its blocks were told long ago
  // (in_flight_audit.h). Should it end after all, that end is counted as unknown.
  static constexpr absl::Duration kForgetAfter = absl::Minutes(10);

  // Takes such notes out of the map, so that they do not fill it. Looks once a minute at most.
  void Sweep(int map);

 private:
  absl::Time next_ = absl::InfinitePast();
};

}  // namespace godwit::agent
