#include "services/common/base/batcher.h"

#include <gmock/gmock.h>

#include <atomic>
#include <numeric>
#include <optional>
#include <string>
#include <thread>

#include "services/common/base/deadline_scope.h"

namespace godwit {
namespace {

using ::testing::ElementsAre;
using ::testing::Le;
using ::testing::UnorderedElementsAre;

std::vector<int> Doubled(const std::vector<const int*>& calls) {
  std::vector<int> out;
  for (const int* call : calls) out.push_back(2 * *call);
  return out;
}

TEST(BatcherTest, OneCallAloneIsABatch) {
  Batcher<int, int> batcher(Doubled, 10);
  EXPECT_EQ(batcher.Do(21), 42);
  EXPECT_EQ(batcher.Do(1), 2);
}

TEST(BatcherTest, WhatWaitsMeanwhileIsTheNextBatch) {
  absl::Mutex mutex;
  bool first_runs = false, go_on = false;
  std::vector<std::size_t> sizes;
  Batcher<int, int> batcher(
      [&](const std::vector<const int*>& calls) {
        absl::MutexLock lock(&mutex);
        sizes.push_back(calls.size());
        first_runs = true;
        mutex.Await(absl::Condition(&go_on));
        return Doubled(calls);
      },
      3);
  std::vector<int> answers(6);
  std::vector<std::thread> threads;
  threads.emplace_back([&] { answers[0] = batcher.Do(0).value_or(-1); });
  mutex.LockWhen(absl::Condition(&first_runs));
  mutex.Unlock();
  std::atomic<int> started = 0;
  for (int i = 1; i < 6; ++i) {
    threads.emplace_back([&, i] {
      ++started;
      answers[static_cast<std::size_t>(i)] = batcher.Do(i).value_or(-1);
    });
  }
  while (started < 5 || batcher.waiting() < 5) std::this_thread::yield();
  mutex.Lock();
  go_on = true;
  mutex.Unlock();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(answers, ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(sizes, ElementsAre(1, 3, 2)) << "no more than three at a time";
}

TEST(BatcherTest, EveryCallGetsItsOwnAnswerUnderLoad) {
  std::atomic<int> running = 0, most = 0, wrong = 0, batches = 0;
  Batcher<int, int> batcher(
      [&](const std::vector<const int*>& calls) {
        const int now = ++running;
        ++batches;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::yield();
        std::vector<int> out = Doubled(calls);
        --running;
        return out;
      },
      8, 2);
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        if (batcher.Do(t * 1000 + i) != 2 * (t * 1000 + i)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(most, Le(2));
  EXPECT_THAT(batches, Le(8000));
}

// Work that ends when it is told to.
class HeldBatcher {
 public:
  HeldBatcher()
      : batcher(
            [this](const std::vector<const int*>& calls) {
              absl::MutexLock lock(&mutex_);
              ++begun_;
              mutex_.Await(absl::Condition(&go_on_));
              for (const int* call : calls) worked_.push_back(*call);
              return Doubled(calls);
            },
            10) {}
  void AwaitBatch() {
    absl::MutexLock lock(&mutex_);
    const auto begun = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return begun_ > 0; };
    mutex_.Await(absl::Condition(&begun));
  }
  void GoOn() {
    absl::MutexLock lock(&mutex_);
    go_on_ = true;
  }
  std::vector<int> worked() {
    absl::MutexLock lock(&mutex_);
    return worked_;
  }

  Batcher<int, int> batcher;

 private:
  absl::Mutex mutex_;
  int begun_ ABSL_GUARDED_BY(mutex_) = 0;
  bool go_on_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<int> worked_ ABSL_GUARDED_BY(mutex_);
};

TEST(BatcherTest, WhoseTimeIsOverLeavesBeforeItsBatchBegins) {
  HeldBatcher held;
  std::optional<int> first;
  std::thread worker([&] { first = held.batcher.Do(1); });
  held.AwaitBatch();
  {
    const DeadlineScope scope(absl::Milliseconds(30));
    EXPECT_EQ(held.batcher.Do(2), std::nullopt) << "another's batch takes longer";
  }
  EXPECT_EQ(held.batcher.waiting(), 0U);
  held.GoOn();
  worker.join();
  EXPECT_EQ(first, 2) << "who has time gets the answer";
  EXPECT_EQ(held.batcher.Do(3), 6);
  EXPECT_THAT(held.worked(), ElementsAre(1, 3)) << "what nobody waits for any more is not begun";
}

// Two calls with `limit` in the second batch, one of which works for both and cannot leave. False
// when they were not fast enough to come into one batch.
bool LeftWithinABatch(absl::Duration limit) {
  std::atomic<int> left = 0, answered = 0;
  std::vector<std::string> seen;  // by one batch at a time
  std::atomic<int> batches = 0;
  Batcher<std::string, int>* own = nullptr;
  Batcher<std::string, int> batcher(
      [&](const std::vector<const std::string*>& calls) {
        const bool is_first = ++batches == 1;
        // The first batch lasts until both wait, the one with both until one of them has left.
        while (left == 0 && (is_first ? own->waiting() < 2 : calls.size() == 2)) {
          std::this_thread::yield();
        }
        for (const std::string* call : calls) seen.push_back(*call);
        return std::vector<int>(calls.size());
      },
      10);
  own = &batcher;
  const auto call = [&](const std::string& text, absl::Duration time) {
    const DeadlineScope scope(time);
    ++(batcher.Do(text) ? answered : left);
  };
  const std::string b(100, 'b'), c(100, 'c');
  std::thread first(call, "first", absl::InfiniteDuration());
  while (batches == 0) std::this_thread::yield();
  std::thread second(call, b, limit), third(call, c, limit);
  for (std::thread* thread : {&first, &second, &third}) thread->join();
  if (seen.size() < 3) return false;
  EXPECT_EQ(left, 1);
  EXPECT_EQ(answered, 2);
  EXPECT_THAT(seen, UnorderedElementsAre("first", b, c))
      << "what it asked for is still whole when it has left";
  return true;
}

TEST(BatcherTest, WhoseTimeIsOverLeavesABatchThatAnotherWorksOn) {
  absl::Duration limit = absl::Milliseconds(100);
  while (!LeftWithinABatch(limit) && limit < absl::Minutes(1)) limit *= 3;
  EXPECT_LT(limit, absl::Minutes(1));
}

}  // namespace
}  // namespace godwit
