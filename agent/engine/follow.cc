// Following: the part of the engine that makes epochs out of captured writes. docs/replication.md
// has the argument.
#include "absl/strings/str_cat.h"
#include "agent/engine/engine.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {

namespace {

constexpr int kWindowRounds = 8;
constexpr absl::Duration kSettlePatience = absl::Seconds(2);
constexpr absl::Duration kDurablePatience = absl::Minutes(5);
// A write whose completion takes longer is read once more.
constexpr absl::Duration kLongestWrite = absl::Seconds(60);

}  // namespace

absl::Status Engine::Look(bool exact, absl::Time* upto) {
  std::vector<BlockPlace> fresh;
  RETURN_IF_ERROR(TakeMarks(exact, &fresh).status());
  // Behind the marks: the writes that they are of were submitted before.
  const absl::Status taken = stream_->Take(&window_, upto);
  absl::MutexLock lock(&mutex_);
  for (const auto& disk : disks_) {
    if (disk->unverified() > 0)
      return absl::AbortedError("change marks were lost: the disks are compared first");
  }
  if (following_ && !taken.ok())
    gate_.Overflowed(RealClock().Monotonic(), stream_->Captured().captured_bytes);
  // Nobody knows what the marks are of.
  RETURN_IF_ERROR(taken);
  for (const BlockPlace& place : fresh) {
    if (window_.Covers(place.first, place.second) || recent_.contains(place))
      disks_[place.first]->Captured(place.second);
  }
  for (const BlockPlace& place : window_.TakeUnread()) {
    if (place.second < disks_[place.first]->block_count())
      disks_[place.first]->Differs(place.second);
  }
  return absl::OkStatus();
}

absl::Status Engine::Gather(BlockSession& session, Sender& sender, absl::Time* cut_time) {
  const auto pending = [this] {
    absl::MutexLock lock(&mutex_);
    return PendingBytes() > 0;
  };
  if (following_) {
    RETURN_IF_ERROR(Look(/*exact=*/false, cut_time));
    Predict();
    // Before the worker gets what was captured since.
    RETURN_IF_ERROR(AskHeld(session));
    if (!pending()) return absl::OkStatus();
  } else {
    window_ = RedoLog(static_cast<std::size_t>(options_.max_redo_bytes));
    stream_->Start();
    capture_began_ = RealClock().Monotonic();
    captured_before_ = stream_->Captured().captured_bytes;
  }
  // What is read from here on has every write that is not in window_.
  RETURN_IF_ERROR(stream_->Settle(kSettlePatience));
  // Captured writes do not explain marks of writes from before the capture.
  if (!following_) RETURN_IF_ERROR(TakeMarks(/*exact=*/true).status());
  for (int round = 0; round < kWindowRounds; ++round) {
    for (bool sent = true; sent;) {
      ASSIGN_OR_RETURN(sent, SendPending(sender, Slice()));
    }
    CountTraffic(sender);
    RETURN_IF_ERROR(session.Flush(kDurablePatience));
    RETURN_IF_ERROR(Look(/*exact=*/true, cut_time));
    Predict();
    if (!pending()) return absl::OkStatus();
  }
  return absl::AbortedError("blocks change without a write that could be captured");
}

void Engine::Followed() {
  const absl::Time now = SteadyNow();
  for (const BlockPlace& place : window_.blocks()) recent_[place] = now;
  if (now - recent_swept_ > kLongestWrite / 4) {
    recent_swept_ = now;
    absl::erase_if(recent_, [&](const auto& entry) { return now - entry.second > kLongestWrite; });
  }
  window_ = RedoLog(static_cast<std::size_t>(options_.max_redo_bytes));
  if (following_) return;
  following_ = true;
  const absl::Duration clock = RealClock().Monotonic();
  const std::int64_t captured = stream_->Captured().captured_bytes;
  if (!gate_.MayFollow(clock, captured - captured_before_, clock - capture_began_))
    return StopFollowing();
  gate_.Began(clock, captured);
}

void Engine::StopFollowing() {
  if (stream_ == nullptr || !stream_->running()) return;
  stream_->Stop();
  absl::Time ignored;
  stream_->Take(&window_, &ignored).IgnoreError();
  absl::MutexLock lock(&mutex_);
  for (const auto& [disk, block] : window_.blocks()) {
    if (block < disks_[disk]->block_count()) disks_[disk]->Differs(block);
  }
  window_ = RedoLog(static_cast<std::size_t>(options_.max_redo_bytes));
  recent_.clear();
  following_ = false;
}

}  // namespace godwit::agent
