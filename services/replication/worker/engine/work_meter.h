// Where the time of the worker goes for one server.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace godwit::worker {

// Thread-safe.
class WorkMeter {
 public:
  enum Stage {
    kVerify,    // decompressing and comparing checksums
    kWrite,     // into the store
    kSync,      // making it durable, commits
    kTurn,      // waiting while other servers have their turn
    kLimit,     // waiting for the worker's bandwidth limit
    kDatabase,  // a point is durable and the coordinator has not saved it
    kStages,
  };
  // `clock` must outlive it.
  explicit WorkMeter(Clock& clock) : clock_(clock) {}

  void Add(Stage stage, absl::Duration time) { spent_[stage] += absl::ToInt64Nanoseconds(time); }
  // Since the making. Streams of a server work side by side, so it may grow faster than time.
  absl::Duration spent(Stage stage) const { return absl::Nanoseconds(spent_[stage].load()); }
  absl::Duration Now() const { return clock_.Monotonic(); }

  // Adds the life of the object, without what Exclude was told.
  class Span {
   public:
    Span(WorkMeter& meter, Stage stage) : meter_(meter), stage_(stage) {}
    ~Span() { meter_.Add(stage_, meter_.Now() - from_ - excluded_); }
    Span(const Span&) = delete;
    void Exclude(absl::Duration time) { excluded_ += time; }

   private:
    WorkMeter& meter_;
    const Stage stage_;
    const absl::Duration from_ = meter_.Now();
    absl::Duration excluded_ = absl::ZeroDuration();
  };

 private:
  Clock& clock_;
  std::array<std::atomic<std::int64_t>, kStages> spent_{};
};

}  // namespace godwit::worker
