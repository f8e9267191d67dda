#include "agent/use/proc.h"

#include <gtest/gtest.h>

#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

constexpr char kStat[] =
    "cpu  4287474 899382 2292545 6947889 238880 0 94425 50498 7 0\n"
    "cpu0 2154883 445222 1091270 3569872 91808 0 28949 25376 0 0\n"
    "cpu3 2132590 454159 1201275 3378016 147071 0 65475 25121 7 0\n"
    "intr 156859760 0 0 0\nctxt 568969701\nbtime 1795242498\n";
constexpr char kMeminfo[] =
    "MemTotal:       24684100 kB\nMemFree:         4795752 kB\nMemAvailable:   20475680 kB\n"
    "Buffers:          285504 kB\nCached:         15295952 kB\nSwapCached:            0 kB\n";

TEST(ParseCpuTimes, SumsWhatIsBusyAndCountsCores) {
  ASSERT_OK_AND_ASSIGN(const CpuTimes times, ParseCpuTimes(kStat));
  EXPECT_EQ(times.busy, 4287474 + 899382 + 2292545 + 94425 + 50498);
  EXPECT_EQ(times.idle, 6947889 + 238880);
  EXPECT_EQ(times.core_count, 2) << "one of them has another number: some are offline";
}

TEST(ParseCpuTimes, TakesOldKernelsAndRefusesWhatIsNone) {
  ASSERT_OK_AND_ASSIGN(const CpuTimes old, ParseCpuTimes("cpu  10 0 5 100\ncpu0 10 0 5 100\n"));
  EXPECT_EQ(old.busy, 15);
  for (const char* text : {"", "cpu", "cpu  1 2 3 4\n", "cpu0 1 2 3 4\n", "cpu  1 2\ncpu0 1 2\n",
                           "cpu  1 2 -3 4\ncpu0 1 2 3 4\n", "cpu  a b c d\ncpu0 1 2 3 4\n",
                           "cpu  1 2 3 99999999999999999999\ncpu0 1 2 3 4\n"}) {
    EXPECT_EQ(ParseCpuTimes(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ParseMemoryUse, IsWhatIsNotAvailable) {
  ASSERT_OK_AND_ASSIGN(const MemoryUse use, ParseMemoryUse(kMeminfo));
  EXPECT_EQ(use.total_bytes, 24684100ll << 10);
  EXPECT_EQ(use.used_bytes, (24684100ll - 20475680) << 10);
  ASSERT_OK_AND_ASSIGN(const MemoryUse old,
                       ParseMemoryUse("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\n"
                                      "Cached: 300 kB\n"));
  EXPECT_EQ(old.used_bytes, 580 << 10);
  ASSERT_OK_AND_ASSIGN(const MemoryUse odd,
                       ParseMemoryUse("MemTotal: 1000 kB\nMemAvailable: 2000 kB\n"));
  EXPECT_EQ(odd.used_bytes, 0);
  for (const char* text : {"", "MemTotal: 1000 kB\n", "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
                           "MemTotal: -5 kB\nMemAvailable: 1 kB\n"}) {
    EXPECT_EQ(ParseMemoryUse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ReadHead, StopsAtTheEndOfTheBuffer) {
  testing::TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "f", "0123456789"));
  std::string buffer(4, '\0');
  ASSERT_OK_AND_ASSIGN(const absl::string_view head, ReadHead(dir / "f", &buffer));
  EXPECT_EQ(head, "0123");
  EXPECT_EQ(ReadHead(dir / "none", &buffer).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace godwit::agent
