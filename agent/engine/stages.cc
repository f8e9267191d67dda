#include "agent/engine/stages.h"

namespace godwit::agent {

void Stages::Add(Stage stage, absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  times_.own[static_cast<std::size_t>(stage)] += time;
}

void Stages::AddWaits(absl::Duration line, absl::Duration worker,
                      const std::optional<WorkerWork>& work) {
  absl::MutexLock lock(&mutex_);
  times_.line += line;
  times_.worker += worker;
  if (!work) return;
  if (!times_.work) times_.work.emplace();
  *times_.work += *work;
}

replication::v1::Bottleneck Stages::Look() {
  absl::MutexLock lock(&mutex_);
  const absl::Duration now = clock_.Monotonic();
  times_.elapsed = now - since_;
  if (times_.elapsed < absl::Seconds(1)) return last_;
  last_ = NameBottleneck(times_);
  times_ = {};
  since_ = now;
  return last_;
}

}  // namespace godwit::agent
