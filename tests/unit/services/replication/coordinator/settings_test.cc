// Settings of the registry as they count at a moment.
#include <gtest/gtest.h>

#include "godwit/registry/v1/settings.pb.h"
#include "services/replication/coordinator/clients/registry_client.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::registry::v1;

// Monday, 2026-06-01, at `hour` UTC, `days` later.
absl::Time At(int hour, int days = 0) {
  return absl::FromCivil(absl::CivilHour(2026, 6, 1 + days, hour), absl::UTCTimeZone());
}

TEST(SettingsTest, DefaultsForNothingAndForNonsense) {
  for (const std::string& bytes : {std::string(), std::string("\xff\xff\xff")}) {
    const Settings settings = DecodeReplicationSettings(bytes, At(0));
    EXPECT_FALSE(settings.paused);
    EXPECT_EQ(settings.limit_bytes_per_second, 0);
    EXPECT_EQ(settings.lane_count, 1);
    EXPECT_EQ(settings.freeze_budget, absl::Milliseconds(500));
    EXPECT_EQ(settings.retention.size(), 4u);
  }
}

TEST(SettingsTest, TheFirstWindowThatMatchesCounts) {
  pb::ReplicationSettings in;
  in.set_bandwidth_limit_bytes_per_second(100);
  pb::BandwidthWindow* night = in.add_bandwidth_windows();  // Monday 22:00 to Tuesday 06:00
  night->set_start_minute(22 * 60);
  night->set_end_minute(6 * 60);
  night->set_weekday_mask(1);
  night->set_limit_bytes_per_second(900);
  pb::BandwidthWindow* noon = in.add_bandwidth_windows();
  noon->set_start_minute(12 * 60);
  noon->set_end_minute(13 * 60);
  const auto at = [&](absl::Time time) {
    return DecodeReplicationSettings(in.SerializeAsString(), time);
  };
  EXPECT_EQ(at(At(21)).limit_bytes_per_second, 100);
  EXPECT_EQ(at(At(22)).limit_bytes_per_second, 900);
  EXPECT_EQ(at(At(5, 1)).limit_bytes_per_second, 900);  // began on Monday
  EXPECT_EQ(at(At(6, 1)).limit_bytes_per_second, 100);
  EXPECT_EQ(at(At(5)).limit_bytes_per_second, 100);      // began on Sunday
  EXPECT_EQ(at(At(22, 1)).limit_bytes_per_second, 100);  // Tuesday
  EXPECT_TRUE(at(At(12)).paused);
  EXPECT_FALSE(at(At(13)).paused);
}

}  // namespace
}  // namespace godwit::coordinator
