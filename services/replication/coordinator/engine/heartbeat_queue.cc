#include "services/replication/coordinator/engine/heartbeat_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/common/base/deadline_scope.h"
#include "services/common/base/request_scope.h"

namespace godwit::coordinator {

HeartbeatQueue::HeartbeatQueue(AgentReports& reports, Clock& clock)
    : reports_(reports), clock_(clock) {
  for (int i = 0; i < kTransactions; ++i) threads_.emplace_back([this] { SaveTogether(); });
  for (int i = 0; i < kAlone; ++i) threads_.emplace_back([this] { SaveAlone(); });
}

HeartbeatQueue::~HeartbeatQueue() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  for (std::deque<Waiting>* waiting : {&new_, &alone_}) {
    for (const Waiting& one : *waiting) {
      one.done(absl::CancelledError("this copy is stopping: try again"));
    }
  }
}

void HeartbeatQueue::Add(AgentReport report, absl::Duration patience, Done done) {
  {
    absl::MutexLock lock(&mutex_);
    if (new_.size() + alone_.size() < kMostWaiting) {
      new_.push_back({.report = std::move(report),
                      .request_id = CurrentRequestId(),
                      .until = clock_.Monotonic() + patience,
                      .done = std::move(done)});
      return;
    }
  }
  done(absl::ResourceExhaustedError("too many heartbeats wait: try again later"));
}

std::vector<HeartbeatQueue::Waiting> HeartbeatQueue::Take(std::deque<Waiting>& from,
                                                          std::size_t most) {
  std::vector<Waiting> taken;
  {
    absl::MutexLock lock(&mutex_);
    const auto due = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || !from.empty();
    };
    mutex_.Await(absl::Condition(&due));
    if (stopping_) return {};
    const auto end = from.begin() + static_cast<std::ptrdiff_t>(std::min(most, from.size()));
    taken.assign(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
    from.erase(from.begin(), end);
  }
  return taken;
}

void HeartbeatQueue::SaveTogether() {
  for (std::vector<Waiting> batch; !(batch = Take(new_, kMostTogether)).empty();) {
    const absl::Duration now = clock_.Monotonic();
    std::vector<const AgentReport*> reports;
    std::vector<Waiting*> callers;
    absl::Duration longest;
    for (Waiting& one : batch) {
      if (one.until <= now) {
        one.done(absl::DeadlineExceededError("the heartbeat's time was over before its turn"));
        continue;
      }
      longest = std::max(longest, one.until - now);
      reports.push_back(&one.report);
      callers.push_back(&one);
    }
    if (reports.empty()) continue;
    // When nobody waits any more.
    const DeadlineScope deadline(longest);
    std::vector<AgentReports::Saved> saved = reports_.SaveTogether(reports);
    std::vector<Waiting*> left;
    for (std::size_t i = 0; i < callers.size(); ++i) {
      if (!saved[i].ok()) {
        callers[i]->done(saved[i].status());
      } else if (*saved[i]) {
        callers[i]->done(**std::move(saved[i]));
      } else {
        left.push_back(callers[i]);
      }
    }
    absl::MutexLock lock(&mutex_);
    for (Waiting* one : left) alone_.push_back(std::move(*one));
  }
}

void HeartbeatQueue::SaveAlone() {
  for (std::vector<Waiting> batch; !(batch = Take(alone_, 1)).empty();) {
    Waiting& one = batch.front();
    const absl::Duration left = one.until - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) {
      one.done(absl::DeadlineExceededError("the heartbeat's time was over before its turn"));
      continue;
    }
    const RequestScope request(one.request_id);
    const DeadlineScope deadline(left);
    one.done(reports_.SaveAlone(one.report));
  }
}

}  // namespace godwit::coordinator
