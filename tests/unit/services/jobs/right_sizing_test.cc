#include "services/jobs/domain/right_sizing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace godwit::jobs {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kGiB = 1ll << 30, kMiB = 1ll << 20;
const LaunchSettings kInUse{.right_sizing = RightSizing::kInUse};

SourceSize Source(double p95_cores, std::int64_t peak, std::int64_t samples = 600) {
  return {.core_count = 8,
          .memory_bytes = 16 * kGiB - 90 * kMiB,
          .use = {.sample_count = samples, .p95_cores = p95_cores, .peak_memory_bytes = peak}};
}

TEST(RightSizing, TakesTheSourceRoundedUp) {
  EXPECT_EQ(ChooseSize({}, {.core_count = 4, .memory_bytes = 4 * kGiB - 90 * kMiB}),
            (MachineSize{.cpu_count = 4, .memory_bytes = 4 * kGiB}));
  EXPECT_EQ(ChooseSize({}, {.core_count = 1, .memory_bytes = 100 * kMiB}).memory_bytes, 512 * kMiB);
  EXPECT_EQ(ChooseSize({}, {.core_count = 100000, .memory_bytes = 1ll << 62}),
            (MachineSize{.cpu_count = kMostCpus, .memory_bytes = kMostMemoryBytes}));
}

TEST(RightSizing, FixedValuesWin) {
  const MachineSize fixed{.cpu_count = 2, .memory_bytes = 300 * kMiB};
  EXPECT_EQ(ChooseSize({.cpu_count = 2, .memory_bytes = 300 * kMiB}, Source(4, kGiB)), fixed);
  EXPECT_EQ(
      ChooseSize({.right_sizing = RightSizing::kInUse, .cpu_count = 2, .memory_bytes = 300 * kMiB},
                 Source(4, kGiB)),
      fixed);
}

TEST(RightSizing, WithoutASourceOrSizingASmallMachine) {
  const MachineSize small{.cpu_count = 1, .memory_bytes = kGiB};
  EXPECT_EQ(ChooseSize({}, {}), small);
  EXPECT_EQ(ChooseSize({.right_sizing = RightSizing::kNone}, Source(4, kGiB)), small);
  EXPECT_EQ(ChooseSize(kInUse, {}), small);
}

TEST(RightSizing, UseGetsHeadRoom) {
  EXPECT_EQ(ChooseSize(kInUse, Source(1.6, 3 * kGiB)),
            (MachineSize{.cpu_count = 3, .memory_bytes = 3840 * kMiB}))
      << "2.08 cores, 3.75 GiB";
  EXPECT_EQ(ChooseSize(kInUse, Source(1.5, 3 * kGiB + 1)),
            (MachineSize{.cpu_count = 2, .memory_bytes = 4096 * kMiB}));
  EXPECT_EQ(ChooseSize({}, Source(1.6, 3 * kGiB)),
            (MachineSize{.cpu_count = 8, .memory_bytes = 16 * kGiB}))
      << "BASIC does not look at it";
}

TEST(RightSizing, UseStaysBetweenALittleAndTheSource) {
  EXPECT_EQ(ChooseSize(kInUse, Source(0, 0)),
            (MachineSize{.cpu_count = 1, .memory_bytes = 512 * kMiB}));
  EXPECT_EQ(ChooseSize(kInUse, Source(7.9, 15 * kGiB)),
            (MachineSize{.cpu_count = 8, .memory_bytes = 16 * kGiB}));
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double odd : {infinite, 1e300}) {
    EXPECT_EQ(ChooseSize(kInUse, Source(odd, most, most)),
              (MachineSize{.cpu_count = 8, .memory_bytes = 16 * kGiB}));
    EXPECT_EQ(
        ChooseSize(kInUse,
                   {.use = {.sample_count = 10, .p95_cores = odd, .peak_memory_bytes = most}}),
        (MachineSize{.cpu_count = kMostCpus, .memory_bytes = kMostMemoryBytes}));
  }
  for (const double odd : {-1.0, -infinite, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(ChooseSize(kInUse, Source(odd, -1)),
              (MachineSize{.cpu_count = 1, .memory_bytes = 512 * kMiB}));
  }
  EXPECT_EQ(ChooseSize(kInUse, {.core_count = 1,
                                .memory_bytes = 100 * kMiB,
                                .use = {.sample_count = 10, .peak_memory_bytes = 90 * kMiB}})
                .memory_bytes,
            512 * kMiB);
}

TEST(RightSizing, TooLittleWasMeasured) {
  const MachineSize whole{.cpu_count = 8, .memory_bytes = 16 * kGiB};
  for (const std::int64_t samples : {-1, 0, 9}) {
    EXPECT_EQ(ChooseSize(kInUse, Source(1, kGiB, samples)), whole);
  }
  EXPECT_EQ(ChooseSize(kInUse, Source(1, kGiB, 10)).cpu_count, 2);
  EXPECT_EQ(SizeReason(kInUse, Source(1, kGiB, 9)),
            "8 CPUs (the source's cores: 9 minutes of use were measured, 10 are needed), 16384 MiB "
            "of memory (the source's, rounded up to 256 MiB: 9 minutes of use were measured, 10 "
            "are needed)");
}

TEST(RightSizing, SaysWhy) {
  EXPECT_EQ(SizeReason(kInUse, Source(1.6, 3 * kGiB)),
            "3 CPUs (1.60 cores suffice 95 % of the time, x 1.3, at most the source's), 3840 MiB "
            "of memory (at most 3072 MiB were in use, x 1.25, rounded up to 256 MiB, at most the "
            "source's); measured for 600 minutes");
  EXPECT_THAT(SizeReason({.right_sizing = RightSizing::kInUse, .cpu_count = 5}, Source(1, kGiB)),
              HasSubstr("5 CPUs (as set), 1280 MiB of memory (at most 1024"));
  EXPECT_THAT(SizeReason({}, {.core_count = 2}),
              HasSubstr("2 CPUs (the source's cores), 1024 MiB of memory (the source's is not "
                        "known)"));
}

}  // namespace
}  // namespace godwit::jobs
