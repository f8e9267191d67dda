#include "cli/bandwidth_window.h"

#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using registry::v1::BandwidthWindow;
using testing::StatusIs;

std::string Text(const char* text) {
  const absl::StatusOr<BandwidthWindow> window = ParseBandwidthWindow(text);
  return window.ok() ? BandwidthWindowText(*window) : window.status().ToString();
}

TEST(BandwidthWindow, DaysTimesAndLimit) {
  ASSERT_OK_AND_ASSIGN(const BandwidthWindow work,
                       ParseBandwidthWindow("mon-fri@08:00-18:30=2MiB"));
  EXPECT_EQ(work.weekday_mask(), 0b0011111);
  EXPECT_EQ(work.start_minute(), 480);
  EXPECT_EQ(work.end_minute(), 1110);
  EXPECT_EQ(work.limit_bytes_per_second(), 2 << 20);
  ASSERT_OK_AND_ASSIGN(const BandwidthWindow night, ParseBandwidthWindow("22:00-6:00=paused"));
  EXPECT_EQ(night.weekday_mask(), 0);
  EXPECT_EQ(night.start_minute(), 1320);
  EXPECT_EQ(night.end_minute(), 360);
  EXPECT_EQ(night.limit_bytes_per_second(), 0);
  ASSERT_OK_AND_ASSIGN(const BandwidthWindow evening, ParseBandwidthWindow("Sun@22:00-00:00=1MB"));
  EXPECT_EQ(evening.weekday_mask(), 64);
  EXPECT_EQ(evening.end_minute(), 1440);
}

TEST(BandwidthWindow, IsShownAsItIsWritten) {
  EXPECT_EQ(Text("mon-fri@08:00-18:00=2MiB"), "mon-fri 08:00 to 18:00 UTC: 2.0 MiB/s");
  EXPECT_EQ(Text("sat,sun@00:00-24:00=paused"), "sat,sun 00:00 to 24:00 UTC: paused");
  EXPECT_EQ(Text("fri-mon@22:00-06:00=paused"), "mon,fri-sun 22:00 to 06:00 UTC: paused");
  EXPECT_EQ(Text("mon,wed,thu@1:00-2:00=1KiB"), "mon,wed,thu 01:00 to 02:00 UTC: 1.0 KiB/s");
  EXPECT_EQ(Text("mon-sun@1:00-2:00=paused"), "daily 01:00 to 02:00 UTC: paused");
  EXPECT_EQ(Text("1:00-2:00=paused"), "daily 01:00 to 02:00 UTC: paused");
}

TEST(BandwidthWindow, WhatIsWrongIsNamed) {
  for (const char* text :
       {"", "=", "@", "08:00-18:00", "08:00=1MiB", "8-18=1MiB", "08:00-18:60=1MiB",
        "08:00-24:01=1MiB", "24:00-06:00=1MiB", "-1:00-06:00=1MiB", "08:00-18:00=", "08:00-18:00=0",
        "08:00-18:00=fast", "moon@08:00-18:00=1MiB", "mon-@08:00-18:00=1MiB",
        "mon,@08:00-18:00=1MiB", "@08:00-18:00=1MiB", "08:00-18:00-20:00=1MiB"}) {
    EXPECT_THAT(ParseBandwidthWindow(text),
                StatusIs(absl::StatusCode::kInvalidArgument, "--bandwidth-window"))
        << text;
  }
}

}  // namespace
}  // namespace godwit::cli
