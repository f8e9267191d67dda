#include "services/replication/worker/engine/credit.h"

#include <algorithm>

namespace godwit::worker {
namespace {

constexpr absl::Duration kSample = absl::Milliseconds(250);
constexpr absl::Duration kMemory = absl::Seconds(10);
// No line is longer; agents are not trusted.
constexpr absl::Duration kLongest = absl::Seconds(2);

}  // namespace

std::int64_t Credit::Bytes(std::int64_t taken_bytes, absl::Duration round_trip) {
  const absl::Duration now = clock_.Monotonic();
  if (now - since_ >= kSample) {
    samples_.push_back(
        {now, static_cast<double>(taken_bytes - taken_) / absl::ToDoubleSeconds(now - since_)});
    since_ = now;
    taken_ = taken_bytes;
    while (now - samples_.front().at > kMemory) samples_.pop_front();
  }
  if (round_trip <= absl::ZeroDuration()) return options_.initial;
  double rate = 0;
  for (const Sample& sample : samples_) rate = std::max(rate, sample.bytes_per_second);
  const double wanted = 2 * rate * absl::ToDoubleSeconds(std::min(round_trip, kLongest));
  if (wanted >= static_cast<double>(options_.most)) return options_.most;
  return std::max(options_.least, static_cast<std::int64_t>(wanted));
}

}  // namespace godwit::worker
