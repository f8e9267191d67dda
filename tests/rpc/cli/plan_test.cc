// Plan files against a real registry: what is applied is there, and applied again is nothing.
#include "services/common/base/file.h"
#include "tests/rpc/services/registry/registry_fixture.h"
#include "tests/support/process.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using registry::pb::SourceServerService;
using ::testing::HasSubstr;

class PlanTest : public registry::RegistryTest {
 protected:
  void SetUp() override {
    installation_->pki.Write("user/operator/carol", dir_ / "tls");
    for (std::string* const server : {&one_, &two_}) {
      *server = EnrolledServer();
      registry::pb::UpdateSourceServerRequest tag;
      tag.mutable_source_server()->set_name(*server);
      (*tag.mutable_source_server()->mutable_tags())["role"] = dir_.path();  // of this test alone
      tag.mutable_update_mask()->add_paths("tags");
      const auto stub = SourceServerService::NewStub(ChannelAs("user/operator/carol"));
      ASSERT_OK(Call(*stub, &SourceServerService::Stub::UpdateSourceServer, tag));
    }
  }
  Ran Do(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(),
                     {"--tls-dir", dir_ / "tls",
                      absl::StrCat("--registry=", Endpoint(installation_->registry->port()))});
    return Godwit(arguments);
  }
  std::string Write(const std::string& text) {
    const std::string path = dir_ / "plan.yaml";
    EXPECT_OK(WriteFileAtomically(path, text, 0600));
    return path;
  }
  static std::string Id(const std::string& server) { return server.substr(14); }
  jobs::v1::LaunchSettings LaunchOf(const std::string& server) {
    registry::pb::GetSettingsRequest request;
    request.set_name(server);
    const auto stub = SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
    const auto settings = Call(*stub, &SourceServerService::Stub::GetLaunchSettings, request);
    EXPECT_OK(settings);
    return settings.ok() ? *settings : jobs::v1::LaunchSettings();
  }

  testing::TempDir dir_;
  std::string one_, two_;
};

TEST_F(PlanTest, WhatIsAppliedIsThereAndAppliedAgainIsNothing) {
  const std::string plan = Write(absl::StrCat(R"(version: 1
waves:
  - name: First wave
    description: the shop
    applications:
      - name: Data
        servers:
          - tags: {role: ")",
                                              dir_.path(), R"("}
          - id: )",
                                              Id(two_), R"(
            launch_settings: {cpu_count: 8}
        launch_settings:
          cpu_count: 4
          memory_bytes: 2GiB
          boot_proof: {timeout: 3m, tcp_ports: [22]}
          port_forwards: [{guest_port: 22}]
        replication_settings: {undo_window: 48h}
      - name: Web
        servers: []
)"));
  const Ran diff = Do({"diff", plan});
  EXPECT_EQ(diff.exit_code, 2) << diff.err;
  EXPECT_EQ(diff.err, "");
  EXPECT_THAT(diff.out, HasSubstr("+ wave \"First wave\"\n"));
  EXPECT_THAT(diff.out, HasSubstr("launch_settings.cpu_count - -> 8"));
  EXPECT_EQ(Do({"diff", plan}).out, diff.out) << "a diff changes nothing";

  const Ran apply = Do({"apply", plan});
  EXPECT_EQ(apply.exit_code, 0) << apply.err;
  EXPECT_THAT(apply.out, HasSubstr("changes made"));
  EXPECT_EQ(LaunchOf(one_).cpu_count(), 4);
  EXPECT_EQ(LaunchOf(two_).cpu_count(), 8);
  EXPECT_EQ(LaunchOf(two_).memory_bytes(), 2ll << 30);
  EXPECT_EQ(Get(one_).application(), Get(two_).application());
  EXPECT_NE(Get(one_).application(), "");
  for (const char* const command : {"diff", "apply"}) {
    const Ran again = Do({command, plan});
    EXPECT_EQ(again.exit_code, 0) << again.err << again.out;
    EXPECT_EQ(again.out, "no changes\n");
  }

  // What is there, as a file, is what is there.
  const Ran exported = Do({"export-plan"});
  EXPECT_EQ(exported.exit_code, 0) << exported.err;
  const Ran same = Do({"diff", Write(exported.out)});
  EXPECT_EQ(same.exit_code, 0) << exported.out << same.out << same.err;

  // Smaller lists take out; what is not spoken of stays.
  const Ran less = Do({"apply", Write(absl::StrCat(R"(version: 1
waves:
  - name: First wave
    applications:
      - name: Data
        servers: [{id: )",
                                                   Id(one_), "}]\n"))});
  EXPECT_EQ(less.exit_code, 0) << less.err;
  EXPECT_THAT(less.out, HasSubstr("- wave \"First wave\": application \"Web\""));
  EXPECT_EQ(Get(two_).application(), "");
  EXPECT_EQ(LaunchOf(one_).cpu_count(), 4);

  // What the registry refuses is said with the step, and what came before stays.
  const Ran refused =
      Do({"apply", Write(absl::StrCat(R"(version: 1
applications:
  - name: Mail
    servers: [{id: )",
                                      Id(two_), ", launch_settings: {cpu_count: 9999}}]\n"))});
  EXPECT_EQ(refused.exit_code, kUsage);
  EXPECT_THAT(refused.err, HasSubstr("2 of 3 steps were made"));
  EXPECT_THAT(refused.err, HasSubstr("cpu_count"));
  EXPECT_NE(Get(two_).application(), "");

  const Ran wrong = Do({"diff", Write("version: 1\nwave: []\n")});
  EXPECT_EQ(wrong.exit_code, 1) << "2 would say that there are differences";
  EXPECT_THAT(wrong.err, HasSubstr("plan.yaml:2:1: unknown key \"wave\""));
  EXPECT_EQ(Do({"diff", dir_ / "none.yaml"}).exit_code, 1);
  EXPECT_EQ(Do({"apply", dir_ / "none.yaml"}).exit_code, kUsage);
}

}  // namespace
}  // namespace godwit::cli
