// Plan files: what is taken, what is refused and where.
#include "cli/plan/plan_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;

constexpr char kWhole[] = R"(version: 1
waves:
  - name: First wave
    description: the shop
    tags: {owner: ops}
    applications:
      - name: Data
        servers:
          - host: db1
            launch_settings: {cpu_count: 4}
          - id: s-00000000000000001
          - tags: {role: db, site: "1"}
        launch_settings:
          memory_bytes: 2GiB
          boot_mode: uefi
          copy_tags: true
          machine_tags: {a: b}
          port_forwards:
            - guest_port: 22
            - {guest_port: 80, host_port: 8080}
          boot_proof: {timeout: 90s, tcp_ports: [22, 80]}
        replication_settings:
          undo_window: 24h
          bandwidth_limit_bytes_per_second: 10MiB
applications:
  - name: Mail
)";

absl::StatusOr<PlanFile> Parse(const std::string& text) {
  YamlFile file("plan.yaml");
  return ParsePlan(file, text);
}

TEST(PlanFileTest, ReadsAllOfIt) {
  ASSERT_OK_AND_ASSIGN(const PlanFile plan, Parse(kWhole));
  ASSERT_EQ(plan.waves.size(), 1u);
  EXPECT_EQ(plan.waves[0].description, "the shop");
  EXPECT_EQ(plan.waves[0].tags, (Tags{{"owner", "ops"}}));
  ASSERT_EQ(plan.waves[0].applications->size(), 1u);
  const PlanApplication& data = plan.waves[0].applications->at(0);
  EXPECT_EQ(data.settings.launch.memory_bytes(), 2ll << 30);
  EXPECT_EQ(data.settings.launch.boot_mode(), jobs::v1::LaunchSettings::UEFI);
  EXPECT_TRUE(data.settings.launch.copy_tags());
  EXPECT_EQ(data.settings.launch.machine_tags().at("a"), "b");
  EXPECT_EQ(data.settings.launch.port_forwards(1).host_port(), 8080);
  EXPECT_EQ(data.settings.launch.boot_proof().timeout().seconds(), 90);
  EXPECT_THAT(data.settings.launch.boot_proof().tcp_ports(), ElementsAre(22, 80));
  EXPECT_THAT(data.settings.launch_fields,
              ElementsAre("boot_mode", "boot_proof", "copy_tags", "machine_tags", "memory_bytes",
                          "port_forwards"));
  EXPECT_EQ(data.settings.replication.undo_window().seconds(), 86400);
  EXPECT_EQ(data.settings.replication.bandwidth_limit_bytes_per_second(), 10 << 20);
  ASSERT_EQ(data.servers->size(), 3u);
  EXPECT_EQ(data.servers->at(0).host, "db1");
  EXPECT_EQ(data.servers->at(0).settings.launch.cpu_count(), 4);
  EXPECT_EQ(data.servers->at(1).id, "s-00000000000000001");
  EXPECT_EQ(data.servers->at(2).tags, (Tags{{"role", "db"}, {"site", "1"}}));
  ASSERT_EQ(plan.applications.size(), 1u);
  EXPECT_FALSE(plan.applications[0].servers.has_value()) << "nothing is said of its servers";
}

TEST(PlanFileTest, AServersOwnSettingsStandAboveItsApplications) {
  PlanSettings settings, own;
  settings.launch.set_cpu_count(2);
  settings.launch.set_copy_tags(true);
  settings.launch_fields = {"cpu_count", "copy_tags"};
  own.launch.set_copy_tags(false);  // said, and the default
  own.launch_fields = {"copy_tags"};
  settings.Merge(own);
  EXPECT_EQ(settings.launch.cpu_count(), 2);
  EXPECT_FALSE(settings.launch.copy_tags());
  EXPECT_THAT(settings.launch_fields, ElementsAre("copy_tags", "cpu_count"));
}

TEST(PlanFileTest, SaysWhereItIsWrong) {
  const std::string head = "version: 1\napplications:\n  - name: A\n";
  for (const auto& [text, error] : std::vector<std::pair<std::string, std::string>>{
           {"waves: []\n", "plan.yaml:1:1: version: is required"},
           {"version: 2\n", "plan.yaml:1:10: version: 2 is not known"},
           {"version: 1\nwave: []\n", "plan.yaml:2:1: unknown key \"wave\" in the plan"},
           {"version: 1\nwaves: 5\n", "plan.yaml:2:8: waves: must be a list"},
           {"version: 1\nwaves:\n  - {}\n", "plan.yaml:3:5: name: is required"},
           {"version: 1\nwaves: [{name: A}, {name: A}]\n", "there is another wave \"A\""},
           {"version: 1\nversion: 1\n", "plan.yaml:2:1: the key \"version\" is there twice"},
           {"version: 1\n---\nversion: 1\n", "one YAML document"},
           {"version: [1\n", "plan.yaml:2:1: "},
           {"", "one YAML document"},
           {head + "    servers: [{}]\n", "plan.yaml:4:15: a server needs one of id, host"},
           {head + "    servers: [{id: s-1, host: b}]\n", "a server needs one of"},
           {head + "    servers: [{id: s-1}]\n", "plan.yaml:4:20: id: \"s-1\" is not"},
           {head + "    servers: [{host: }]\n", "host: must be one value"},
           {head + "    launch_settings: {cpus: 4}\n",
            "plan.yaml:4:23: unknown key \"cpus\" in LaunchSettings"},
           {head + "    launch_settings: {cpu_count: many}\n",
            "plan.yaml:4:34: cpu_count: \"many\" is no number"},
           {head + "    launch_settings: {memory_bytes: 2Gib}\n", "memory_bytes: \"2Gib\" 2Gib is"},
           {head + "    launch_settings: {boot_mode: bios}\n", "bios is none of use-source"},
           {head + "    launch_settings: {copy_tags: yes}\n", "is neither true nor false"},
           {head + "    launch_settings: {boot_proof: {timeout: soon}}\n", "timeout: soon is no"},
           {head + "    replication_settings: {lane_count: 99999999999}\n", "is no number"}}) {
    EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, error)) << text;
  }
}

TEST(PlanFileTest, AFileThatGrowsByAliasesIsRefused) {
  // A thousand servers, and a hundred applications that have the same.
  std::string text = "version: 1\napplications:\n- name: first\n  servers: &all [";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", "{host: a}");
  absl::StrAppend(&text, "]\n");
  for (int i = 0; i < 100; ++i) absl::StrAppend(&text, "- {name: a", i, ", servers: *all}\n");
  EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, "more than"));
}

TEST(PlanFileTest, WhatIsWrittenIsReadTheSame) {
  ASSERT_OK_AND_ASSIGN(const PlanFile plan, Parse(kWhole));
  const jobs::v1::LaunchSettings& launch = plan.waves[0].applications->at(0).settings.launch;
  YAML::Emitter out;
  MessageToYaml(launch, out);
  YamlFile file("again");
  jobs::v1::LaunchSettings again;
  ASSERT_OK(MessageFromYaml(file, YAML::Load(out.c_str()), again));
  EXPECT_EQ(again.DebugString(), launch.DebugString());
  EXPECT_EQ(FieldText(launch, launch.GetDescriptor()->FindFieldByName("boot_mode")), "uefi");
  EXPECT_EQ(FieldText(launch, launch.GetDescriptor()->FindFieldByName("target")), "-");
}

}  // namespace
}  // namespace godwit::cli
