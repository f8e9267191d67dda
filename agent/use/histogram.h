// Counts of amounts in steps of 9.1 % (eight for a doubling): fixed size, whatever is counted for
// however long.
#pragma once

#include <array>
#include <cstdint>

namespace godwit::agent {

class Histogram {
 public:
  static constexpr int kSteps = 256;

  // Amounts up to `least` are one step; the last step holds everything over least * 2^31.
  explicit Histogram(double least) : least_(least) {}

  void Add(double amount);
  // The amount that `share` (0 to 1) of those counted do not exceed: the upper end of its step, so
  // at most 9.1 % too much and never too little. 0 when nothing was counted.
  double Quantile(double share) const;
  std::int64_t count() const { return count_; }
  // Every count is halved: what comes weighs more than what was.
  void Halve();

  const std::array<std::int64_t, kSteps>& steps() const { return steps_; }
  // As saved. False, and nothing changed: the step does not exist or the count is not positive.
  bool Restore(std::int64_t step, std::int64_t count);

 private:
  double least_;
  std::int64_t count_ = 0;
  std::array<std::int64_t, kSteps> steps_{};
};

}  // namespace godwit::agent
