#include "agent/engine/stages.h"

#include <algorithm>

namespace godwit::agent {
namespace {

using replication::v1::Bottleneck;

constexpr int kWorthSaying = 200;  // permille

const char* ActionFor(Bottleneck::Stage stage) {
  switch (stage) {
    case Bottleneck::SOURCE_READ:
      return "the disk of the source is read as fast as it goes: replicate while it is less busy";
    case Bottleneck::SOURCE_CPU:
      return "the source's processor is busy with hashing, compression and encryption: give it "
             "more of it";
    case Bottleneck::LINK:
      return "the line to the worker is full: more bandwidth, or a worker nearer to the source";
    case Bottleneck::WORKER_DISK:
      return "the worker does not keep up: move servers to another worker, or give it faster disks";
    case Bottleneck::THROTTLE:
      return "raise the bandwidth limit";
    default:
      return "";
  }
}

}  // namespace

void Stages::Add(Stage stage, absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  spent_[static_cast<std::size_t>(stage)] += time;
}

Bottleneck Stages::Look() {
  absl::MutexLock lock(&mutex_);
  const absl::Duration now = clock_.Monotonic();
  const absl::Duration elapsed = now - since_;
  if (elapsed < absl::Seconds(1)) return last_;
  const auto most = std::max_element(spent_.begin(), spent_.end());
  const int permille = static_cast<int>(std::min(1.0, absl::FDivDuration(*most, elapsed)) * 1000);
  last_.Clear();
  if (permille < kWorthSaying) {
    last_.set_stage(Bottleneck::IDLE);
  } else {
    last_.set_stage(static_cast<Bottleneck::Stage>(most - spent_.begin()));
    last_.set_busy_permille(permille);
    last_.set_action(ActionFor(last_.stage()));
  }
  spent_.fill(absl::ZeroDuration());
  since_ = now;
  return last_;
}

}  // namespace godwit::agent
