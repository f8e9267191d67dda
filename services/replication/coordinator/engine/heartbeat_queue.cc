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
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, from.size()));
  std::vector<Waiting> taken(std::make_move_iterator(from.begin()),
                             std::make_move_iterator(from.begin() + count));
  from.erase(from.begin(), from.begin() + count);
  return taken;
}

std::vector<HeartbeatQueue::Waiting> HeartbeatQueue::TakeTogether() {
  const auto due = [&]()
                       ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !new_.empty(); };
  const auto full = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || new_.size() >= kMostTogether;
  };
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&due));
    mutex_.AwaitWithTimeout(absl::Condition(&full), taken_ + kGather - clock_.Monotonic());
    if (stopping_) return {};
    if (new_.empty()) continue;  // the other thread was faster
    taken_ = clock_.Monotonic();
    return Take(new_, kMostTogether);
  }
}

std::vector<HeartbeatQueue::Waiting> HeartbeatQueue::TakeOne() {
  const auto due = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !alone_.empty();
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&due));
  return stopping_ ? std::vector<Waiting>() : Take(alone_, 1);
}

void HeartbeatQueue::SaveTogether() {
  for (std::vector<Waiting> batch; !(batch = TakeTogether()).empty();) {
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
  for (std::vector<Waiting> batch; !(batch = TakeOne()).empty();) {
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
