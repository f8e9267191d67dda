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
    EXPECT_FALSE(settings.bandwidth.paused);
    EXPECT_EQ(settings.bandwidth.limit_bytes_per_second, 0);
    EXPECT_EQ(settings.lane_count, 1);
    EXPECT_EQ(settings.share_weight, 1);
    EXPECT_EQ(settings.freeze_budget, absl::Milliseconds(500));
    EXPECT_EQ(settings.retention.size(), 4u);
  }
}

TEST(SettingsTest, EncryptionIsAskedFor) {
  pb::ReplicationSettings in;
  EXPECT_FALSE(DecodeReplicationSettings(in.SerializeAsString(), At(0)).encrypt_staging);
  in.set_encrypt_staging(true);
  EXPECT_TRUE(DecodeReplicationSettings(in.SerializeAsString(), At(0)).encrypt_staging);
}

TEST(SettingsTest, WindowsCountAtTheirTime) {
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
    return DecodeReplicationSettings(in.SerializeAsString(), time).bandwidth;
  };
  EXPECT_EQ(at(At(21)).limit_bytes_per_second, 100);
  EXPECT_EQ(at(At(5, 1)).limit_bytes_per_second, 900);
  EXPECT_EQ(at(At(5, 1)).until, At(6, 1));
  EXPECT_TRUE(at(At(12)).paused);
  EXPECT_FALSE(at(At(13)).paused);
}

TEST(SettingsTest, NonsenseInAWindowIsBounded) {
  pb::ReplicationSettings in;
  pb::BandwidthWindow* window = in.add_bandwidth_windows();
  window->set_start_minute(INT32_MIN);
  window->set_end_minute(INT32_MAX);
  window->set_weekday_mask(INT32_MIN);
  window->set_limit_bytes_per_second(INT64_MIN);
  const Bandwidth bandwidth = DecodeReplicationSettings(in.SerializeAsString(), At(12)).bandwidth;
  EXPECT_FALSE(bandwidth.paused) << "no weekday of it";
  EXPECT_EQ(bandwidth.limit_bytes_per_second, 0);
  EXPECT_EQ(bandwidth.until, At(0, 1));
}

}  // namespace
}  // namespace godwit::coordinator
