#include "services/replication/worker/engine/turns.h"

namespace godwit::worker {

void Turns::Dispatch() {
  while (const auto next = order_.Next()) {
    const auto waiting = waiting_.find(*next);
    *waiting->second = true;
    waiting_.erase(waiting);
  }
}

Turns::Turn::Turn(Turns* turns, const std::string& server, std::int64_t bytes, double weight)
    : turns_(turns) {
  if (turns_ == nullptr) return;
  bool mine = false;
  absl::MutexLock lock(&turns_->mutex_);
  ticket_ = turns_->order_.Ask(server, bytes, weight);
  turns_->waiting_.emplace(ticket_, &mine);
  turns_->Dispatch();
  turns_->mutex_.Await(absl::Condition(&mine));
}

Turns::Turn::~Turn() {
  if (turns_ == nullptr) return;
  absl::MutexLock lock(&turns_->mutex_);
  turns_->order_.Done(ticket_);
  turns_->Dispatch();
}

}  // namespace godwit::worker
