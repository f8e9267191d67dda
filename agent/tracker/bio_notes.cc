#include "agent/tracker/bio_notes.h"

#include <bpf/bpf.h>
#include <time.h>

#include <vector>

#include "absl/time/clock.h"
#include "agent/tracker/dirty_layout.h"
#include "services/common/base/clock.h"

namespace godwit::agent {

void BioNotes::Sweep(int map) {
  if (SteadyNow() < next_) return;
  next_ = SteadyNow() + absl::Minutes(1);
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  const std::int64_t now = std::int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
  std::vector<__u64> old;
  // Notes come and go meanwhile; one that is passed over is found the next time.
  __u64 at = 0, next = 0;
  for (int i = 0; i < 2 * GODWIT_BIOS; ++i) {
    if (bpf_map_get_next_key(map, i == 0 ? nullptr : &at, &next) != 0) break;
    at = next;
    godwit_bio noted{};
    if (bpf_map_lookup_elem(map, &at, &noted) == 0 &&
        now - static_cast<std::int64_t>(noted.submitted_ns) >
            absl::ToInt64Nanoseconds(kForgetAfter))
      old.push_back(at);
  }
  for (const __u64 address : old) bpf_map_delete_elem(map, &address);
}

}  // namespace godwit::agent
