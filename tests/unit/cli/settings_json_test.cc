#include "cli/settings_json.h"

#include <cstdio>
#include <fstream>

#include "godwit/jobs/v1/launch.pb.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using ::testing::ElementsAre;
using testing::StatusIs;

jobs::v1::LaunchSettings Present() {
  jobs::v1::LaunchSettings settings;
  settings.set_target("qemu");
  settings.set_cpu_count(2);
  settings.add_port_forwards()->set_guest_port(22);
  settings.mutable_boot_proof()->set_console_text("login:");
  return settings;
}

TEST(SettingsJson, ReplacesTheFieldsItHas) {
  jobs::v1::LaunchSettings settings = Present();
  ASSERT_OK_AND_ASSIGN(
      const auto names,
      MergeJson(R"({"portForwards": [{"guestPort": 80}], "boot_proof": {"tcpPorts": [80]}})",
                settings));
  EXPECT_THAT(names, ElementsAre("boot_proof", "port_forwards"));
  EXPECT_EQ(settings.target(), "qemu");
  EXPECT_EQ(settings.cpu_count(), 2);
  ASSERT_EQ(settings.port_forwards_size(), 1);
  EXPECT_EQ(settings.port_forwards(0).guest_port(), 80);
  EXPECT_EQ(settings.boot_proof().console_text(), "");
}

TEST(SettingsJson, ADefaultClearsAField) {
  jobs::v1::LaunchSettings settings = Present();
  ASSERT_OK_AND_ASSIGN(const auto names,
                       MergeJson(R"({"cpuCount": 0, "portForwards": []})", settings));
  EXPECT_THAT(names, ElementsAre("cpu_count", "port_forwards"));
  EXPECT_EQ(settings.cpu_count(), 0);
  EXPECT_EQ(settings.port_forwards_size(), 0);
}

TEST(SettingsJson, RefusesWhatIsNoSettingsAndChangesNothing) {
  for (const char* json : {"", "[]", "{", R"({"nosuch": 1})", R"({"cpuCount": "many"})"}) {
    jobs::v1::LaunchSettings settings = Present();
    EXPECT_THAT(MergeJson(json, settings), StatusIs(absl::StatusCode::kInvalidArgument, "--json"))
        << json;
    EXPECT_EQ(settings.SerializeAsString(), Present().SerializeAsString());
  }
}

TEST(SettingsJson, ReadsFiles) {
  const std::string path = ::testing::TempDir() + "/godwit_cli_settings.json";
  std::ofstream(path) << R"({"machineName": "web1-new"})";
  jobs::v1::LaunchSettings settings = Present();
  EXPECT_OK(MergeJsonFile(path, settings));
  EXPECT_EQ(settings.machine_name(), "web1-new");
  std::remove(path.c_str());
  EXPECT_THAT(MergeJsonFile(path, settings), StatusIs(absl::StatusCode::kInvalidArgument, path));
}

}  // namespace
}  // namespace godwit::cli
