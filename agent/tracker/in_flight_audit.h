// Finds out that the eBPF program was not shown a completion, and of which blocks: kernels were
// seen to pass over a tracepoint's programs now and then (between one in 2,000 and one in 50,000
// completions) without counting a miss.
//
// The program adds the sectors of a request to slots (by block number) when it goes to the driver
// and subtracts them when it ends. A slot that does not come back to zero belongs to a request that
// takes long, or to one whose end was not seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>

#include "absl/time/time.h"

namespace godwit::agent {

// Not thread-safe; the slots are shared with the kernel.
class InFlightAudit {
 public:
  // How long a slot must not be seen at zero: for an exact check, and for the end of a request to
  // count as missed for good.
  static constexpr absl::Duration kExactPatience = absl::Milliseconds(50);
  static constexpr absl::Duration kPatience = absl::Seconds(2);

  // `slots` outlives the object.
  explicit InFlightAudit(std::span<std::int64_t> slots, absl::Duration patience = kPatience)
      : slots_(slots), patience_(patience) {}

  // Calls `suspect` for every slot of which requests may have ended without being seen: their
  // blocks must be taken for changed. `exact`: all that ended before the call counts, which takes
  // up to kExactPatience while requests are under way; otherwise what is not certain is left to
  // later calls.
  void Check(bool exact, const std::function<void(std::size_t slot)>& suspect);

 private:
  struct Watch {
    absl::Time since;           // not seen at zero since then
    std::int64_t smallest = 0;  // since `since`
    std::int64_t in_check = 0;  // the smallest value of this Check
    std::int64_t told = 0;      // what `suspect` was called for already
  };
  void Look(absl::Time now);

  const std::span<std::int64_t> slots_;
  const absl::Duration patience_;
  std::map<std::size_t, Watch> watched_;
};

}  // namespace godwit::agent
