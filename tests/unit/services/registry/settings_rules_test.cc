#include "services/registry/rpc/settings_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

namespace pb = ::godwit::registry::v1;
namespace jobs_pb = ::godwit::jobs::v1;

std::string FieldOf(const absl::Status& status) {
  const auto violations = rpc::GetInfo(status).field_violations;
  return violations.empty() ? status.ToString() : violations[0].first;
}

std::string Spoilt(const std::function<void(pb::ReplicationSettings&)>& spoil) {
  pb::ReplicationSettings settings;
  spoil(settings);
  return FieldOf(CheckReplicationSettings("settings", settings));
}

std::string Spoilt(const std::function<void(jobs_pb::LaunchSettings&)>& spoil) {
  jobs_pb::LaunchSettings settings;
  jobs_pb::PortForward* forward = settings.add_port_forwards();
  forward->set_guest_port(22);
  spoil(settings);
  return FieldOf(CheckLaunchSettings("settings", settings));
}

using R = pb::ReplicationSettings;
using L = jobs_pb::LaunchSettings;

TEST(SettingsRulesTest, DefaultsAndFullSettingsAreFine) {
  EXPECT_OK(CheckReplicationSettings("settings", pb::ReplicationSettings()));
  EXPECT_OK(CheckLaunchSettings("settings", jobs_pb::LaunchSettings()));
  pb::ReplicationSettings settings;
  settings.set_lane_count(8);
  settings.set_share_weight(100);
  pb::BandwidthWindow* night = settings.add_bandwidth_windows();
  night->set_start_minute(22 * 60);
  night->set_end_minute(6 * 60);  // wraps over midnight
  pb::RetentionRule* rule = settings.add_retention();
  rule->mutable_every()->set_seconds(600);
  rule->mutable_age()->set_seconds(3600);
  settings.mutable_undo_window()->set_seconds(0);
  EXPECT_OK(CheckReplicationSettings("settings", settings));
  jobs_pb::LaunchSettings launch;
  launch.add_port_forwards()->set_guest_port(80);
  launch.mutable_boot_proof()->add_tcp_ports(80);
  launch.mutable_boot_proof()->add_http_checks()->set_guest_port(80);
  launch.add_nics()->set_mac_address("52:54:00:12:34:56");
  launch.mutable_nics(0)->set_static_address("192.0.2.7/24");
  launch.mutable_nics(0)->set_gateway("192.0.2.1");
  launch.set_machine_name("web-1");
  launch.set_export_format("vhd-fixed");
  EXPECT_OK(CheckLaunchSettings("settings", launch));
}

TEST(SettingsRulesTest, BadReplicationFieldsAreNamed) {
  EXPECT_EQ(Spoilt([](R& s) { s.set_bandwidth_limit_bytes_per_second(-1); }),
            "settings.bandwidth_limit_bytes_per_second");
  EXPECT_EQ(Spoilt([](R& s) { s.set_bandwidth_limit_bytes_per_second(16383); }),
            "settings.bandwidth_limit_bytes_per_second");
  EXPECT_EQ(Spoilt([](R& s) { s.set_lane_count(9); }), "settings.lane_count");
  EXPECT_EQ(Spoilt([](R& s) { s.set_share_weight(101); }), "settings.share_weight");
  EXPECT_EQ(Spoilt([](R& s) { s.set_share_weight(-1); }), "settings.share_weight");
  EXPECT_EQ(Spoilt([](R& s) { s.add_bandwidth_windows()->set_end_minute(1441); }),
            "settings.bandwidth_windows[0].end_minute");
  EXPECT_EQ(Spoilt([](R& s) {
              for (int i = 0; i < 33; ++i) s.add_bandwidth_windows()->set_end_minute(5);
            }),
            "settings.bandwidth_windows");
  EXPECT_EQ(Spoilt([](R& s) { s.add_retention(); }), "settings.retention[0].every");
  EXPECT_EQ(Spoilt([](R& s) {
              s.add_retention()->mutable_every()->set_seconds(60);
              s.mutable_retention(0)->mutable_age()->set_seconds(30);
            }),
            "settings.retention[0].age");
  EXPECT_EQ(Spoilt([](R& s) { s.mutable_freeze_budget()->set_seconds(6); }),
            "settings.freeze_budget");
  EXPECT_EQ(Spoilt([](R& s) { s.mutable_undo_window()->set_seconds(-1); }), "settings.undo_window");
  EXPECT_EQ(Spoilt([](R& s) { s.mutable_cut_interval()->set_seconds(INT64_MAX); }),
            "settings.cut_interval");
}

TEST(SettingsRulesTest, BadWindowFieldsAreNamed) {
  // The second of two: the first one is fine.
  const auto window = [](int start, int end, int mask, std::int64_t limit) {
    return Spoilt([=](R& s) {
      s.add_bandwidth_windows()->set_end_minute(1440);
      pb::BandwidthWindow* other = s.add_bandwidth_windows();
      other->set_start_minute(start);
      other->set_end_minute(end);
      other->set_weekday_mask(mask);
      other->set_limit_bytes_per_second(limit);
    });
  };
  const std::string field = "settings.bandwidth_windows[1].";
  EXPECT_EQ(window(-1, 60, 0, 0), field + "start_minute");
  EXPECT_EQ(window(1440, 60, 0, 0), field + "start_minute");
  EXPECT_EQ(window(0, 0, 0, 0), field + "end_minute");
  EXPECT_EQ(window(60, 60, 0, 0), field + "end_minute");
  EXPECT_EQ(window(60, 1441, 0, 0), field + "end_minute");
  EXPECT_EQ(window(0, 60, 128, 0), field + "weekday_mask");
  EXPECT_EQ(window(0, 60, -1, 0), field + "weekday_mask");
  EXPECT_EQ(window(0, 60, 0, -1), field + "limit_bytes_per_second");
  EXPECT_EQ(window(0, 60, 0, 16383), field + "limit_bytes_per_second");
  EXPECT_EQ(window(0, 60, 0, (std::int64_t{1} << 50) + 1), field + "limit_bytes_per_second");
}

TEST(SettingsRulesTest, BadLaunchFieldsAreNamed) {
  EXPECT_EQ(Spoilt([](L& s) { s.set_cpu_count(513); }), "settings.cpu_count");
  EXPECT_EQ(Spoilt([](L& s) { s.set_memory_bytes(1 << 20); }), "settings.memory_bytes");
  EXPECT_EQ(Spoilt([](L& s) { s.set_boot_mode(static_cast<L::BootMode>(77)); }),
            "settings.boot_mode");
  EXPECT_EQ(Spoilt([](L& s) { s.set_machine_name("a; rm -rf /"); }), "settings.machine_name");
  EXPECT_EQ(Spoilt([](L& s) { s.add_nics()->set_mac_address("5254:00:12:34:5"); }),
            "settings.nics[0].mac_address");
  EXPECT_EQ(Spoilt([](L& s) { s.add_nics()->set_static_address("192.0.2.7"); }),
            "settings.nics[0].static_address");
  EXPECT_EQ(Spoilt([](L& s) { s.add_nics()->set_gateway("192.0.2.1"); }),
            "settings.nics[0].gateway");
  EXPECT_EQ(Spoilt([](L& s) { s.add_port_forwards()->set_guest_port(22); }),
            "settings.port_forwards[1].guest_port");
  EXPECT_EQ(Spoilt([](L& s) { s.mutable_port_forwards(0)->set_host_address("localhost"); }),
            "settings.port_forwards[0].host_address");
  EXPECT_EQ(Spoilt([](L& s) { s.mutable_boot_proof()->add_tcp_ports(80); }),
            "settings.boot_proof.tcp_ports");
  EXPECT_EQ(Spoilt([](L& s) {
              s.mutable_boot_proof()->add_http_checks()->set_guest_port(22);
              s.mutable_boot_proof()->mutable_http_checks(0)->set_path("health");
            }),
            "settings.boot_proof.http_checks[0].path");
  EXPECT_EQ(Spoilt([](L& s) { s.mutable_boot_proof()->mutable_timeout()->set_seconds(7201); }),
            "settings.boot_proof.timeout");
  EXPECT_EQ(Spoilt([](L& s) { s.add_post_launch_actions()->set_action_id("a"); }),
            "settings.post_launch_actions[0].order");
  EXPECT_EQ(Spoilt([](L& s) {
              auto* action = s.add_post_launch_actions();
              action->set_action_id("a");
              action->set_order(1);
              action->set_command("true");
              (*action->mutable_parameters())["A-B"] = "x";
            }),
            "settings.post_launch_actions[0].parameters");
  EXPECT_EQ(Spoilt([](L& s) { s.set_disk_bus("floppy"); }), "settings.disk_bus");
  EXPECT_EQ(Spoilt([](L& s) { s.set_export_format("floppy"); }), "settings.export_format");
  EXPECT_EQ(Spoilt([](L& s) { (*s.mutable_machine_tags())[""] = "x"; }), "settings.machine_tags");
  EXPECT_EQ(Spoilt([](L& s) { s.mutable_boot_proof()->add_commands(); }),
            "settings.boot_proof.commands[0].command");
}

TEST(SettingsRulesTest, NotesHaveBounds) {
  EXPECT_EQ(Spoilt([](L& s) { (*s.mutable_notes())[""] = "1"; }), "settings.notes");
  EXPECT_EQ(Spoilt([](L& s) { (*s.mutable_notes())["a"] = ""; }), "settings.notes.a");
  EXPECT_EQ(Spoilt([](L& s) {
              for (int i = 0; i < 65; ++i) (*s.mutable_notes())[std::to_string(i)] = "1";
            }),
            "settings.notes");
  // All of the settings together.
  const std::string half(kMostNoteBytes / 2, 'x');
  EXPECT_EQ(Spoilt([&](L& s) {
              (*s.mutable_notes())["a"] = half;
              (*s.add_post_launch_actions()->mutable_notes())["b"] = half;
            }),
            "settings.post_launch_actions[0].notes");
  L settings;
  (*settings.mutable_notes())["a"] = half;
  auto* action = settings.add_post_launch_actions();
  action->set_action_id("a");
  action->set_order(1);
  action->set_command("true");
  (*action->mutable_notes())["b"] = "1";
  EXPECT_OK(CheckLaunchSettings("settings", settings));
  DropNotes(&settings);
  EXPECT_EQ(settings.notes().size() + settings.post_launch_actions(0).notes().size(), 0u);
  EXPECT_EQ(settings.post_launch_actions(0).command(), "true");
}

TEST(SettingsRulesTest, MergeTouchesOnlyWhatTheMaskNames) {
  pb::ReplicationSettings target;
  target.set_lane_count(4);
  target.set_never_freeze(true);
  (*target.mutable_worker_labels())["site"] = "a";
  pb::ReplicationSettings source;
  source.set_lane_count(2);
  (*source.mutable_worker_labels())["rack"] = "7";
  source.add_retention()->mutable_every()->set_seconds(1);
  google::protobuf::FieldMask mask;
  mask.add_paths("worker_labels");
  mask.add_paths("never_freeze");
  ASSERT_OK(MergeByMask(source, mask, &target));
  EXPECT_EQ(target.lane_count(), 4);
  EXPECT_FALSE(target.never_freeze());  // named and unset: cleared
  EXPECT_EQ(target.worker_labels().size(), 1u);
  EXPECT_EQ(target.worker_labels().at("rack"), "7");
  EXPECT_EQ(target.retention_size(), 0);
  mask.Clear();
  EXPECT_EQ(FieldOf(MergeByMask(source, mask, &target)), "update_mask");
  mask.add_paths("lane_count.x");
  EXPECT_EQ(FieldOf(MergeByMask(source, mask, &target)), "update_mask");
  mask.Clear();
  mask.add_paths("*");
  ASSERT_OK(MergeByMask(source, mask, &target));
  EXPECT_EQ(target.SerializeAsString(), source.SerializeAsString());
}

}  // namespace
}  // namespace godwit::registry
