#include "services/registry/rpc/launch_columns.h"

#include <gtest/gtest.h>

#include "google/protobuf/util/message_differencer.h"
#include "services/registry/domain/inventory.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using godwit::jobs::v1::LaunchSettings;
using ::godwit::testing::StatusIs;
using ::google::protobuf::util::MessageDifferencer;

LaunchSettings AllSet() {
  LaunchSettings settings;
  settings.set_target("libvirt");
  settings.set_profile("kvm-virtio");
  settings.set_boot_mode(LaunchSettings::UEFI);
  settings.set_disposition(LaunchSettings::STOPPED);
  settings.set_right_sizing(LaunchSettings::IN_USE);
  settings.set_cpu_count(4);
  settings.set_memory_bytes(std::int64_t{8} << 30);
  settings.set_machine_name("web-1");
  settings.set_copy_tags(true);
  settings.set_copy_private_ip(true);
  settings.set_licensing(LaunchSettings::PROVIDED);
  settings.set_test_network(LaunchSettings::USER);
  settings.set_cutover_network(LaunchSettings::BRIDGE);
  settings.set_disk_bus("nvme");
  settings.set_export_format("ova");
  return settings;
}

TEST(LaunchColumnsTest, ThereAndBack) {
  for (const LaunchSettings& settings : {AllSet(), LaunchSettings()}) {
    LaunchSettings back;
    for (const auto& [column, cell] : LaunchColumns(settings)) {
      ASSERT_TRUE(IsLaunchColumn(column)) << column;
      ASSERT_OK(SetLaunchColumn(column, cell, &back));
    }
    EXPECT_TRUE(MessageDifferencer::Equals(settings, back)) << back.ShortDebugString();
  }
  EXPECT_EQ(LaunchColumns(AllSet()).size(), 15u);
}

TEST(LaunchColumnsTest, WordsOfMgn) {
  LaunchSettings settings;
  ASSERT_OK(SetLaunchColumn("mgn:launch:start-instance", "false", &settings));
  EXPECT_EQ(settings.disposition(), LaunchSettings::STOPPED);
  ASSERT_OK(SetLaunchColumn("mgn:launch:operating-system-licensing", "LI", &settings));
  EXPECT_EQ(settings.licensing(), LaunchSettings::PROVIDED);
  ASSERT_OK(SetLaunchColumn("mgn:launch:boot-mode", "LEGACY_BIOS", &settings));
  EXPECT_EQ(settings.boot_mode(), LaunchSettings::LEGACY_BIOS);
}

TEST(LaunchColumnsTest, ResetClears) {
  LaunchSettings settings = AllSet();
  for (const auto& [column, cell] : LaunchColumns(AllSet())) {
    ASSERT_OK(SetLaunchColumn(column, kResetValue, &settings));
  }
  EXPECT_TRUE(MessageDifferencer::Equals(settings, LaunchSettings()));
}

TEST(LaunchColumnsTest, Refusals) {
  LaunchSettings settings;
  for (const auto& [column, cell] :
       {std::pair<const char*, const char*>{"mgn:launch:boot-mode", "uefi"},
        {"mgn:launch:copy-private-ip", "yes"},
        {"mgn:launch:start-instance", "TRUE"},
        {"godwit:launch:cpu-count", "two"},
        {"godwit:launch:cpu-count", "4294967297"},
        {"godwit:launch:memory-bytes", "-1"}}) {
    EXPECT_THAT(SetLaunchColumn(column, cell, &settings),
                StatusIs(absl::StatusCode::kInvalidArgument, column));
  }
  EXPECT_FALSE(IsLaunchColumn("mgn:launch:boot-mod"));
}

}  // namespace
}  // namespace godwit::registry
