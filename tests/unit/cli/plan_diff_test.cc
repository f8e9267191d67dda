// What a plan file changes, without any service.
#include "cli/plan/plan_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "cli/plan/plan_export.h"
#include "services/common/base/status_macros.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PlanDiffTest : public ::testing::Test {
 protected:
  void AddServer(int number, const std::string& host, const std::string& application = "",
                 const std::string& role = "") {
    registry::v1::SourceServer server;
    server.set_name(absl::StrCat("sourceServers/s-0000000000000000", number));
    server.mutable_properties()->set_hostname(host);
    server.set_application(application);
    if (!role.empty()) (*server.mutable_tags())["role"] = role;
    state_.launch[server.name()].set_cpu_count(2);
    state_.replication[server.name()];
    state_.servers.push_back(server);
  }
  void AddApplication(const std::string& name, const std::string& wave = "") {
    registry::v1::Application application;
    application.set_name("applications/app-" + name);
    application.set_display_name(name);
    application.set_wave(wave);
    state_.applications.push_back(application);
  }
  void AddWave(const std::string& name) {
    registry::v1::Wave wave;
    wave.set_name("waves/wave-" + name);
    wave.set_display_name(name);
    state_.waves.push_back(wave);
  }
  absl::StatusOr<std::vector<std::string>> Lines(const std::string& body) {
    YamlFile file("plan.yaml");
    ASSIGN_OR_RETURN(const PlanFile plan, ParsePlan(file, absl::StrCat("version: 1\n", body)));
    ASSIGN_OR_RETURN(const ResolvedPlan resolved, Resolve(file, plan, state_));
    std::vector<std::string> lines;
    for (const Change& change : Diff(plan, resolved, state_)) {
      lines.insert(lines.end(), change.lines.begin(), change.lines.end());
    }
    return lines;
  }

  FleetState state_;
};

TEST_F(PlanDiffTest, FromNothing) {
  AddServer(1, "web1");
  EXPECT_THAT(*Lines("waves: [{name: W, applications: [{name: A, servers: [{host: web1}]}]}]"),
              ElementsAre("+ wave \"W\"", "+ application \"A\"",
                          "+ application \"A\": server web1 (s-00000000000000001)",
                          "+ wave \"W\": application \"A\""));
}

TEST_F(PlanDiffTest, NothingIsSaidOfWhatTheFileDoesNotSpeakOf) {
  AddWave("W");
  AddApplication("A", "waves/wave-W");
  AddServer(1, "web1", "applications/app-A");
  EXPECT_THAT(*Lines("waves: []"), IsEmpty());
  EXPECT_THAT(*Lines("waves: [{name: W}]"), IsEmpty());
  EXPECT_THAT(*Lines("applications: [{name: A}]"), IsEmpty());
}

TEST_F(PlanDiffTest, ListsAreWhole) {
  AddWave("W");
  AddApplication("A", "waves/wave-W");
  AddServer(1, "web1", "applications/app-A");
  EXPECT_THAT(*Lines("waves: [{name: W, applications: []}]"),
              ElementsAre("- wave \"W\": application \"A\""));
  EXPECT_THAT(*Lines("applications: [{name: A, servers: []}]"),
              ElementsAre("- application \"A\": server web1 (s-00000000000000001)"));
}

TEST_F(PlanDiffTest, ServersAndApplicationsMove) {
  AddWave("V");
  AddWave("W");
  AddApplication("A", "waves/wave-V");
  AddApplication("B");
  AddServer(1, "web1", "applications/app-A");
  EXPECT_THAT(*Lines("waves: [{name: W, applications: [{name: A}]}]"),
              ElementsAre("- wave \"V\": application \"A\"", "+ wave \"W\": application \"A\""));
  const std::vector<std::string> moved = {"- application \"A\": server web1 (s-00000000000000001)",
                                          "+ application \"B\": server web1 (s-00000000000000001)"};
  EXPECT_EQ(*Lines("applications: [{name: B, servers: [{host: web1}]}]"), moved);
  EXPECT_EQ(*Lines("applications: [{name: B, servers: [{host: web1}]}, {name: A, servers: []}]"),
            moved);
}

TEST_F(PlanDiffTest, SettingsOfTheApplicationAndOfAServer) {
  AddApplication("A");
  AddServer(1, "web1", "applications/app-A", "web");
  AddServer(2, "web2", "applications/app-A", "web");
  EXPECT_THAT(*Lines("applications: [{name: A, servers: [{tags: {role: web}}, {host: web2, "
                     "launch_settings: {cpu_count: 8}}], launch_settings: {cpu_count: 4}}]"),
              ElementsAre("~ server web1 (s-00000000000000001): launch_settings.cpu_count 2 -> 4",
                          "~ server web2 (s-00000000000000002): launch_settings.cpu_count 2 -> 8"));
  EXPECT_THAT(*Lines("applications: [{name: A, launch_settings: {cpu_count: 2}, "
                     "replication_settings: {never_freeze: false}}]"),
              IsEmpty());
  EXPECT_THAT(*Lines("applications: [{name: A, servers: [{host: web1}, {host: web2, "
                     "replication_settings: {undo_window: 0s}}]}]"),
              ElementsAre("~ server web2 (s-00000000000000002): replication_settings.undo_window "
                          "- -> 0"))
      << "0 is something else than unset";
}

TEST_F(PlanDiffTest, DescriptionsAndTags) {
  AddWave("W");
  EXPECT_THAT(
      *Lines("waves: [{name: W, description: x, tags: {a: b}}]"),
      ElementsAre("~ wave \"W\": description \"\" -> \"x\"", "~ wave \"W\": tags \"\" -> \"a=b\""));
}

TEST_F(PlanDiffTest, RefusesWhatIsNotClear) {
  AddServer(1, "web1");
  AddServer(2, "web1");
  AddServer(3, "db1", "", "db");
  AddApplication("A");
  AddApplication("A");
  EXPECT_THAT(Lines("applications: [{name: B, servers: [{host: web1}]}]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "plan.yaml:2:36: 2 servers have"));
  EXPECT_THAT(Lines("applications: [{name: B, servers: [{host: web9}]}]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "no server has the host \"web9\""));
  EXPECT_THAT(Lines("applications: [{name: A}]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "2 applications are called \"A\""));
  EXPECT_THAT(Lines("applications: [{name: B, servers: [{host: db1}]}, {name: C, servers: [{tags: "
                    "{role: db}}]}]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "is in application \"B\" of this file"));
  EXPECT_THAT(Lines("applications: [{name: B, servers: [{host: db1}, {host: db1}]}]"),
              StatusIs(absl::StatusCode::kInvalidArgument, "is named twice"));
}

TEST_F(PlanDiffTest, WhatIsExportedIsNoChange) {
  AddWave("W");
  state_.waves[0].set_description("say \"so\": #1");
  AddApplication("A", "waves/wave-W");
  AddApplication("B");
  AddServer(1, "web1", "applications/app-A");
  AddServer(2, "web1", "applications/app-A", "web");
  AddServer(3, "db1", "applications/app-B");
  state_.launch["sourceServers/s-00000000000000002"].set_copy_tags(true);
  state_.replication["sourceServers/s-00000000000000003"].mutable_undo_window()->set_seconds(90);
  const std::string text = ExportPlan(state_);
  YamlFile file("export");
  ASSERT_OK_AND_ASSIGN(const PlanFile plan, ParsePlan(file, text));
  ASSERT_OK_AND_ASSIGN(const ResolvedPlan resolved, Resolve(file, plan, state_));
  EXPECT_THAT(Diff(plan, resolved, state_), IsEmpty()) << text;
  // And it is all there: an empty fleet would have to be made anew.
  ASSERT_EQ(plan.waves.size(), 1u);
  EXPECT_EQ(plan.waves[0].applications->at(0).servers->size(), 2u);
  EXPECT_TRUE(plan.applications.at(0).settings.replication.has_undo_window());
}

}  // namespace
}  // namespace godwit::cli
