// Whether sending catches up: the part of the engine that looks at the rates. convergence.h.
#include "absl/strings/str_cat.h"
#include "agent/engine/engine.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;

void Engine::Predict() {
  absl::MutexLock lock(&mutex_);
  std::uint64_t unverified = 0, marked = 0;
  for (const auto& disk : disks_) {
    unverified += disk->unverified();
    marked += disk->marked();
  }
  const pb::AgentSettings& settings = directive_.settings();
  if (unverified > 0 || settings.sending_paused()) return convergence_.Reset();
  Convergence::Sample sample{.at = RealClock().Monotonic(),
                             .backlog_bytes = PendingBytes() + window_.bytes(),
                             .noted_bytes = static_cast<std::int64_t>(marked * kBlockSize),
                             .sent_bytes = plain_bytes_,
                             .limit_per_second = settings.bandwidth_limit_bytes_per_second()};
  if (stream_ != nullptr) {
    const CaptureStream::Amount captured = stream_->Captured();
    sample.backlog_bytes += captured.waiting_bytes;
    sample.noted_bytes += captured.captured_bytes;
  }
  convergence_.Look(sample);
}

void Engine::TellPrediction(pb::AgentProgress* progress) {
  const Convergence::Verdict& verdict = convergence_.verdict();
  progress->set_changed_bytes_per_second(verdict.changed_per_second);
  if (verdict.converges_in)
    progress->mutable_converges_in()->set_seconds(absl::ToInt64Seconds(*verdict.converges_in));
  const bool other = stall_ != pb::Replication::STALL_CAUSE_UNSPECIFIED &&
                     stall_ != pb::Replication::NOT_CONVERGING;
  if (!verdict.not_converging || other) return;
  progress->set_stall_cause(pb::Replication::NOT_CONVERGING);
  progress->set_error_message(error_.empty() ? verdict.text
                                             : absl::StrCat(error_, "; ", verdict.text));
}

}  // namespace godwit::agent
