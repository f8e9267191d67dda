// When may a coordinator believe that a lease ended? Leases are renewed through this process and
// the database; while one of them was away, nobody could renew. So after a start, and after the
// database came back, every worker gets one full lease to be heard of again.
#pragma once

#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace godwit::coordinator {

// Not thread-safe. `clock` must outlive it.
class LeaseJudge {
 public:
  LeaseJudge(Clock& clock, absl::Duration lease)
      : clock_(clock),
        lease_(lease),
        judging_from_(clock.Monotonic() + lease),
        last_(clock.Monotonic()) {}

  // Call on every round, with whether the database answered. Also a gap between two calls (the
  // process was stopped) counts as absence.
  void Observe(bool database_answered) {
    const absl::Duration now = clock_.Monotonic();
    if (!database_answered || now - last_ > lease_ / 3) judging_from_ = now + lease_;
    last_ = now;
  }
  // True when an expired lease has surely ended. Ask right before judging: time that passed
  // unobserved counts as absence.
  bool MayJudge() const {
    const absl::Duration now = clock_.Monotonic();
    return now >= judging_from_ && now - last_ <= lease_ / 3;
  }

 private:
  Clock& clock_;
  const absl::Duration lease_;
  absl::Duration judging_from_;
  absl::Duration last_;
};

}  // namespace godwit::coordinator
