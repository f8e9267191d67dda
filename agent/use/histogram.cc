#include "agent/use/histogram.h"

#include <algorithm>
#include <cmath>

namespace godwit::agent {
namespace {

constexpr double kStepsOfADoubling = 8;
constexpr std::int64_t kMostCount = std::int64_t{1} << 40;

}  // namespace

void Histogram::Add(double amount) {
  int step = 0;
  if (amount > least_) {
    const double at = std::ceil(std::log2(amount / least_) * kStepsOfADoubling);
    step = static_cast<int>(std::min<double>(at, kSteps - 1));
  }
  ++steps_[static_cast<std::size_t>(step)];
  ++count_;
}

double Histogram::Quantile(double share) const {
  const double wanted = share * static_cast<double>(count_);
  std::int64_t seen = 0;
  for (int step = 0; step < kSteps && count_ > 0; ++step) {
    seen += steps_[static_cast<std::size_t>(step)];
    if (seen > 0 && static_cast<double>(seen) >= wanted)
      return least_ * std::exp2(step / kStepsOfADoubling);
  }
  return 0;
}

void Histogram::Halve() {
  count_ = 0;
  for (std::int64_t& count : steps_) {
    count /= 2;
    count_ += count;
  }
}

bool Histogram::Restore(std::int64_t step, std::int64_t count) {
  if (step < 0 || step >= kSteps || count <= 0 || count > kMostCount) return false;
  std::int64_t& here = steps_[static_cast<std::size_t>(step)];
  count_ += count - here;
  here = count;
  return true;
}

}  // namespace godwit::agent
