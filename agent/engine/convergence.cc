#include "agent/engine/convergence.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace godwit::agent {
namespace {

constexpr absl::Duration kBetween = absl::Milliseconds(250);
// Over which present rates are measured.
constexpr absl::Duration kPresent = absl::Seconds(5);
// Of what is sent: a backlog that shrinks by less does not shrink.
constexpr double kBehind = 0.05;
// And at least so much of what is sent must have been noted meanwhile: a block that changed many
// times between two samples counts once.
constexpr double kRenewed = 0.5;
// The other threshold: below the first one nothing is taken back.
constexpr double kCatchesUp = 0.1;
// To follow a source the line must be faster than it writes.
constexpr double kHeadroom = 1.1;

std::string Mebibytes(double bytes) { return absl::StrFormat("%.1f MiB/s", bytes / (1 << 20)); }

}  // namespace

bool Convergence::FallsBehind(const Rates& rates) {
  return rates.shrinks <= kBehind * rates.sent && rates.changed >= kRenewed * rates.sent;
}

std::optional<Convergence::Rates> Convergence::Over(absl::Duration span) const {
  const Sample& last = samples_.back();
  if (last.at - samples_.front().at < span) return std::nullopt;
  auto first = samples_.rbegin();
  std::int64_t least = last.backlog_bytes;
  while (std::next(first) != samples_.rend() && last.at - first->at < span) {
    ++first;
    least = std::min(least, first->backlog_bytes);
  }
  const double seconds = absl::ToDoubleSeconds(last.at - first->at);
  const auto rate = [seconds](std::int64_t from, std::int64_t to) {
    return static_cast<double>(to - from) / seconds;
  };
  return Rates{.changed = std::max(0.0, rate(first->noted_bytes, last.noted_bytes)),
               .sent = rate(first->sent_bytes, last.sent_bytes),
               .shrinks = rate(last.backlog_bytes, first->backlog_bytes),
               .least_backlog = least};
}

const Convergence::Verdict& Convergence::Look(const Sample& sample) {
  if (!samples_.empty() && sample.at - samples_.back().at < kBetween) return verdict_;
  samples_.push_back(sample);
  const absl::Duration longest = std::max({options_.patience, options_.calm, kPresent});
  // One more than the longest span, so that it is covered.
  while (samples_.size() > 2 && sample.at - samples_[1].at >= longest) samples_.pop_front();

  verdict_.converges_in.reset();
  const std::optional<Rates> present = Over(kPresent);
  if (!present) return verdict_;
  verdict_.changed_per_second = static_cast<std::int64_t>(present->changed);
  verdict_.sent_per_second = static_cast<std::int64_t>(present->sent);
  const auto least = std::max(options_.least_bytes, static_cast<std::int64_t>(present->sent * 5));
  if (sample.backlog_bytes < least) {
    verdict_.not_converging = false;
    verdict_.text.clear();
  } else if (!verdict_.not_converging) {
    const std::optional<Rates> rates = Over(options_.patience);
    // On the whole, and still.
    verdict_.not_converging =
        rates && rates->least_backlog >= least && FallsBehind(*rates) && FallsBehind(*present);
    if (verdict_.not_converging) verdict_.text = Text(*rates, sample.limit_per_second);
  } else {
    const std::optional<Rates> rates = Over(options_.calm);
    if (rates && rates->shrinks > kCatchesUp * std::max(rates->sent, rates->changed)) {
      verdict_.not_converging = false;
      verdict_.text.clear();
    } else if (rates && FallsBehind(*rates)) {
      verdict_.text = Text(*rates, sample.limit_per_second);
    }
  }
  if (!verdict_.not_converging && sample.backlog_bytes > 0 &&
      present->shrinks > kBehind * present->sent) {
    verdict_.converges_in =
        absl::Seconds(static_cast<double>(sample.backlog_bytes) / present->shrinks);
  }
  return verdict_;
}

void Convergence::Reset() {
  samples_.clear();
  verdict_ = {};
}

std::string Convergence::Text(const Rates& rates, std::int64_t limit) const {
  const bool limited = limit > 0 && rates.sent > 0.5 * static_cast<double>(limit);
  return absl::StrCat(
      "not converging: changes ", Mebibytes(rates.changed), ", sends ", Mebibytes(rates.sent),
      "; needs ", Mebibytes(kHeadroom * std::max(rates.changed, rates.sent)),
      limited ? absl::StrCat(": raise the bandwidth limit of ",
                             Mebibytes(static_cast<double>(limit)), ", or write less")
              : ": a faster line or worker (see the bottleneck), or less writing");
}

}  // namespace godwit::agent
