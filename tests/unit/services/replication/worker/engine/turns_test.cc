// Turns between threads.
#include "services/replication/worker/engine/turns.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace godwit::worker {
namespace {

TEST(Turns, NeverMoreAtATimeAndNobodyIsForgotten) {
  constexpr int kThreads = 8, kPieces = 500, kAtATime = 3;
  Turns turns({.turns = kAtATime, .bulk_turns = 2, .bulk_bytes = 1000});
  std::atomic<int> inside = 0, bulk_inside = 0, most = 0, most_bulk = 0, done = 0;
  const auto raise = [](std::atomic<int>& most, int now) {
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const bool bulk = thread % 2 == 0;
      for (int i = 0; i < kPieces; ++i) {
        const Turns::Turn turn(&turns, absl::StrCat("s", thread), bulk ? 1000 : 10, 1);
        raise(most, ++inside);
        if (bulk) raise(most_bulk, ++bulk_inside);
        std::this_thread::yield();
        if (bulk) --bulk_inside;
        --inside;
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kThreads * kPieces);
  EXPECT_LE(most, kAtATime);
  EXPECT_LE(most_bulk, 2);
}

TEST(Turns, ATurnThatEndsWakesTheNextOne) {
  Turns turns({.turns = 1, .bulk_turns = 1});
  absl::Notification waited;
  std::thread other;
  {
    const Turns::Turn mine(&turns, "a", 1, 1);
    other = std::thread([&] {
      const Turns::Turn theirs(&turns, "b", 1, 1);
      waited.Notify();
    });
    EXPECT_FALSE(waited.WaitForNotificationWithTimeout(absl::Milliseconds(50)));
  }
  EXPECT_TRUE(waited.WaitForNotificationWithTimeout(absl::Seconds(30)));
  other.join();
}

TEST(Turns, WithoutTurnsNothingIsWaitedFor) {
  const Turns::Turn first(nullptr, "a", 1, 1), second(nullptr, "a", 1, 1);
}

}  // namespace
}  // namespace godwit::worker
