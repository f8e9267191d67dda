// godwit-bench-relay: a long and narrow line on the loopback. It accepts connections, makes one for
// each to --to, and hands bytes on after half the round trip time, not faster than the rate. The
// rate of a direction is one for all connections.
//
// It ends TCP on both sides: what it shows is how windows of the application and of HTTP/2 behave,
// not congestion control.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "bench/programs/json_line.h"
#include "bench/programs/socket.h"
#include "services/common/base/flags.h"
#include "services/common/base/status_macros.h"

namespace godwit::bench {
namespace {

struct Config {
  std::string to, listen = "127.0.0.1:0";
  std::int64_t rtt_ms = 100, mbit_per_second = 100;
};

// The bottleneck of one direction: a queue of bytes that leaves at the rate.
class Link {
 public:
  explicit Link(double bytes_per_second) : rate_(bytes_per_second) {}
  // When the last of `size` bytes that come now has left.
  absl::Time Pass(std::size_t size) {
    bytes_ += static_cast<std::int64_t>(size);
    absl::MutexLock lock(&mutex_);
    free_at_ = std::max(free_at_, absl::Now()) + absl::Seconds(static_cast<double>(size) / rate_);
    return free_at_;
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  const double rate_;
  std::atomic<std::int64_t> bytes_{0};
  absl::Mutex mutex_;
  absl::Time free_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

// What is on the line from one socket to another.
class Pipe {
 public:
  Pipe(int from, int to, Link& link, absl::Duration delay, std::size_t most)
      : from_(from), to_(to), link_(link), delay_(delay), most_(most) {}

  void Run() {
    std::thread arriving([this] { Deliver(); });
    std::vector<char> bytes(32 << 10);
    while (true) {
      const ssize_t got = recv(from_, bytes.data(), bytes.size(), 0);
      if (got <= 0) break;
      const auto size = static_cast<std::size_t>(got);
      const absl::Time left = link_.Pass(size);
      {
        absl::MutexLock lock(&mutex_);
        // A full line takes no more: the sender's window then ends there.
        mutex_.Await(absl::Condition(this, &Pipe::HasRoom));
        if (broken_) break;
        queue_.push_back({left + delay_, {bytes.data(), size}});
        queued_ += size;
      }
      // Who is ahead of the link by more than a little waits here: others get their turn.
      const absl::Duration ahead = left - absl::Now();
      if (ahead > absl::Milliseconds(2)) absl::SleepFor(ahead);
    }
    {
      absl::MutexLock lock(&mutex_);
      ended_ = true;
    }
    arriving.join();
  }

 private:
  struct Parcel {
    absl::Time arrives;
    std::string bytes;
  };
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return broken_ || queued_ < most_; }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_ || !queue_.empty(); }

  void Deliver() {
    while (true) {
      Parcel parcel;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Pipe::HasWork));
        if (queue_.empty()) break;
        parcel = std::move(queue_.front());
        queue_.pop_front();
        queued_ -= parcel.bytes.size();
      }
      absl::SleepFor(parcel.arrives - absl::Now());
      for (std::size_t done = 0; done < parcel.bytes.size();) {
        const ssize_t sent =
            send(to_, parcel.bytes.data() + done, parcel.bytes.size() - done, MSG_NOSIGNAL);
        if (sent <= 0) {
          shutdown(from_, SHUT_RD);
          absl::MutexLock lock(&mutex_);
          broken_ = true;
          return;
        }
        done += static_cast<std::size_t>(sent);
      }
    }
    shutdown(to_, SHUT_WR);
  }

  const int from_, to_;
  Link& link_;
  const absl::Duration delay_;
  const std::size_t most_;
  absl::Mutex mutex_;
  std::deque<Parcel> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false, broken_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status Run(const Config& config) {
  const double rate = static_cast<double>(config.mbit_per_second) * 1e6 / 8;
  const absl::Duration rtt = absl::Milliseconds(config.rtt_ms);
  const auto most = std::max<std::size_t>(
      static_cast<std::size_t>(2 * rate * absl::ToDoubleSeconds(rtt)), 4 << 20);
  Link there(rate), back(rate);
  ASSIGN_OR_RETURN(const Fd listener, Listen(config.listen));
  Print("serving", {{"port", PortOf(listener)}});
  std::thread([&] {
    while (true) {
      absl::StatusOr<Fd> client = Accept(listener);
      if (!client.ok()) continue;
      absl::StatusOr<Fd> server = Connect(config.to);
      if (!server.ok()) continue;
      std::thread([&, client = *std::move(client), server = *std::move(server)] {
        Pipe up(client.get(), server.get(), there, rtt / 2, most);
        Pipe down(server.get(), client.get(), back, rtt / 2, most);
        std::thread returning([&] { down.Run(); });
        up.Run();
        returning.join();
      }).detach();
    }
  }).detach();
  // Where the bytes were at what time.
  std::int64_t told = -1;
  Orders orders;
  while (const auto order = orders.Next(absl::Milliseconds(50))) {
    if (!order->empty() && order->front() == "stop") break;
    if (const std::int64_t bytes = there.bytes(); bytes != std::exchange(told, bytes)) {
      Print("passed", {{"there_bytes", bytes}});
    }
  }
  Print("end", {{"there_bytes", there.bytes()}, {"back_bytes", back.bytes()}});
  std::fflush(stdout);
  _exit(0);  // connections may be open
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-relay", "A line with a round trip time and a rate.");
  flags.String("to", &config.to, "address:port to hand bytes on to");
  flags.String("listen", &config.listen, "address:port to accept at");
  flags.Int("rtt-ms", &config.rtt_ms, 0, 10000, "round trip time");
  flags.Int("mbit", &config.mbit_per_second, 1, 100000, "rate of each direction in Mbit/s");
  prctl(PR_SET_TIMERSLACK, 20000);
  return godwit::bench::Main(flags, argc, argv, [&] { return godwit::bench::Run(config); });
}
