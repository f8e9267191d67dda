#include "agent/use/histogram.h"

#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

TEST(Histogram, AQuantileIsNeverTooLittleAndATenthTooMuchAtMost) {
  Histogram histogram(1.0 / 64);
  EXPECT_EQ(histogram.Quantile(0.95), 0);
  for (int i = 1; i <= 1000; ++i) histogram.Add(i * 0.01);
  for (const double share : {0.01, 0.5, 0.95, 0.999, 1.0}) {
    const double exact = share * 10;
    EXPECT_GE(histogram.Quantile(share), exact * 0.999999) << share;
    EXPECT_LE(histogram.Quantile(share), exact * 1.0906) << share;
  }
}

TEST(Histogram, HasAStepForEverything) {
  Histogram histogram(1 << 20);
  for (const double amount : {0.0, -5.0, 1e300}) histogram.Add(amount);
  EXPECT_EQ(histogram.count(), 3);
  EXPECT_EQ(histogram.steps()[0], 2);
  EXPECT_EQ(histogram.steps()[Histogram::kSteps - 1], 1);
}

TEST(Histogram, HalvesAndIsRestored) {
  Histogram histogram(1);
  for (int i = 0; i < 100; ++i) histogram.Add(2);
  histogram.Add(100);
  histogram.Halve();
  EXPECT_EQ(histogram.count(), 50) << "a single one is gone";
  EXPECT_DOUBLE_EQ(histogram.Quantile(1), 2);

  Histogram again(1);
  EXPECT_TRUE(again.Restore(8, 50));
  EXPECT_EQ(again.steps(), histogram.steps());
  EXPECT_FALSE(again.Restore(-1, 1));
  EXPECT_FALSE(again.Restore(Histogram::kSteps, 1));
  EXPECT_FALSE(again.Restore(0, 0));
  EXPECT_FALSE(again.Restore(0, std::int64_t{1} << 62));
  EXPECT_EQ(again.count(), 50);
}

}  // namespace
}  // namespace godwit::agent
