#include "agent/uplink/in_flight.h"

#include <algorithm>

namespace godwit::agent {
namespace {

bool Overlap(const InFlight& a, const InFlight& b) {
  const auto range = [](const InFlight& frame) {
    if (frame.zero_count > 0)
      return std::pair(frame.zero_first, frame.zero_first + frame.zero_count);
    const std::uint64_t first = frame.blocks.first_block;
    return std::pair(first, frame.blocks.present == 0 ? first : first + block::kMaxFrameBlocks);
  };
  const auto [a_first, a_end] = range(a);
  const auto [b_first, b_end] = range(b);
  return a.disk == b.disk && a_first < b_end && b_first < a_end;
}

}  // namespace

std::optional<int> InFlightList::LaneFor(const InFlight& frame) const {
  if (lanes() == 1) return 0;
  std::optional<int> found;
  for (const Sent& sent : sent_) {
    if (sent.received || !Overlap(sent.frame, frame)) continue;
    if (found && *found != sent.lane) return std::nullopt;
    found = sent.lane;
  }
  if (found) return found;
  return static_cast<int>(std::min_element(bytes_.begin(), bytes_.end()) - bytes_.begin());
}

std::uint64_t InFlightList::Add(int lane, const InFlight& frame, absl::Duration now) {
  const auto index = static_cast<std::size_t>(lane);
  const std::uint64_t sequence = ++sequences_[index];
  if (frame.bytes == 0 && frame.zero_count == 0) return sequence;
  sent_.push_back({frame, lane, sequence, now, /*alone=*/window_bytes_ == 0});
  bytes_[index] += frame.bytes;
  window_bytes_ += frame.bytes;
  return sequence;
}

std::optional<absl::Duration> InFlightList::Received(int lane, std::uint64_t sequence,
                                                     absl::Duration now) {
  std::optional<absl::Duration> round_trip;
  for (Sent& sent : sent_) {
    if (sent.received || sent.lane != lane) continue;
    if (sent.sequence > sequence) break;
    sent.received = true;
    bytes_[static_cast<std::size_t>(lane)] -= sent.frame.bytes;
    window_bytes_ -= sent.frame.bytes;
    if (sent.alone && sent.frame.bytes > 0) round_trip = now - sent.at;
  }
  return round_trip;
}

std::vector<InFlight> InFlightList::Durable(absl::Span<const std::uint64_t> sequences) {
  std::vector<InFlight> done;
  std::erase_if(sent_, [&](const Sent& sent) {
    if (sent.sequence > sequences[static_cast<std::size_t>(sent.lane)]) return false;
    done.push_back(sent.frame);
    return true;
  });
  return done;
}

}  // namespace godwit::agent
