// Where the time of replication goes: which stage holds up the others.
#pragma once

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/engine/bottleneck.h"
#include "godwit/replication/v1/replication.pb.h"
#include "services/common/base/clock.h"

namespace godwit::agent {

// Thread-safe.
class Stages {
 public:
  using Stage = replication::v1::Bottleneck::Stage;
  explicit Stages(Clock& clock) : clock_(clock), since_(clock.Monotonic()) {}

  // The engine spent this waiting for (or in) a stage.
  void Add(Stage stage, absl::Duration time);
  // It waited for the line and for the worker; what the worker did meanwhile, when it tells.
  void AddWaits(absl::Duration line, absl::Duration worker, const std::optional<WorkerWork>& work);
  // NameBottleneck of the time since the last look, which is at least a second ago.
  replication::v1::Bottleneck Look();

  // Adds the life of the object.
  class Span {
   public:
    Span(Stages& stages, Stage stage) : stages_(stages), stage_(stage) {}
    ~Span() { stages_.Add(stage_, stages_.clock_.Monotonic() - from_); }
    Span(const Span&) = delete;

   private:
    Stages& stages_;
    const Stage stage_;
    const absl::Duration from_ = stages_.clock_.Monotonic();
  };

 private:
  Clock& clock_;
  absl::Mutex mutex_;
  StageTimes times_ ABSL_GUARDED_BY(mutex_);
  absl::Duration since_ ABSL_GUARDED_BY(mutex_);
  replication::v1::Bottleneck last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::agent
