#include "services/common/base/batcher.h"

#include <gmock/gmock.h>

#include <atomic>
#include <numeric>
#include <string>
#include <thread>

namespace godwit {
namespace {

using ::testing::ElementsAre;
using ::testing::Le;

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
  threads.emplace_back([&] { answers[0] = batcher.Do(0); });
  mutex.LockWhen(absl::Condition(&first_runs));
  mutex.Unlock();
  std::atomic<int> started = 0;
  for (int i = 1; i < 6; ++i) {
    threads.emplace_back([&, i] {
      ++started;
      answers[static_cast<std::size_t>(i)] = batcher.Do(i);
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

}  // namespace
}  // namespace godwit
