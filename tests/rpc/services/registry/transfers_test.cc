// What is exported comes back as it was.
#include "absl/strings/match.h"
#include "tests/rpc/services/registry/transfers_fixture.h"

namespace godwit::registry {
namespace {

constexpr char kInventory[] =
    "mgn:wave:name,mgn:wave:description,mgn:wave:tag:Quarter,mgn:app:name,mgn:app:description,"
    "mgn:app:tag:Owner,mgn:server:user-provided-id,mgn:server:tag:a b,mgn:server:platform,"
    "mgn:launch:boot-mode,mgn:launch:copy-private-ip,mgn:launch:tag:instance:Env,"
    "mgn:launch:nic:0:subnet-id,godwit:launch:cpu-count\r\n"
    "First,\"a, \"\"quoted\"\"\nline\",Q1,Shop,the shop,,web-1,x y,linux,UEFI,true,prod,"
    "subnet-1,4\r\n"
    "First,,,Shop,,,web-2,[RESET_VALUE],,,,,,\r\n"
    ",,,Lonely,,[RESET_VALUE],,,,,,,,\r\n"
    "Empty,=1+1,,,,,,,,,,,,\r\n"
    ",,,,,,db-1,\xc3\xa4,Windows,,,,,\r\n";

TEST_F(TransferTest, ThereAndBack) {
  pb::StartImportRequest request = ImportOf(kInventory);
  (*request.mutable_tags())["why"] = "test";
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask task, Import(request));
  ASSERT_EQ(task.state(), pb::ImportTask::SUCCEEDED)
      << ErrorsOf(task.name()).at(0).ShortDebugString();
  EXPECT_EQ(Counts(task), (std::array<std::int64_t, 6>{2, 0, 2, 0, 3, 0}));
  EXPECT_EQ(task.row_count(), 5);
  EXPECT_EQ(task.done_row_count(), 5);
  EXPECT_EQ(task.principal(), "user/operator/carol");
  EXPECT_EQ(task.tags().at("why"), "test");
  // The same request again is the same import, as it is now.
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask again,
                       Call(*transfers_, &Transfers::StartImport, request));
  EXPECT_EQ(again.name(), task.name());
  EXPECT_EQ(again.state(), pb::ImportTask::SUCCEEDED);

  // Seen through the other services.
  const auto servers = AllServers();
  ASSERT_EQ(servers.source_servers_size(), 3);
  const pb::SourceServer& web = servers.source_servers(0);
  EXPECT_EQ(web.user_provided_id(), "web-1");
  EXPECT_EQ(web.lifecycle_state(), pb::SourceServer::PENDING_INSTALLATION);
  EXPECT_EQ(web.tags().at("a b"), "x y");
  EXPECT_EQ(servers.source_servers(1).tags().at("a b"), "");
  EXPECT_EQ(servers.source_servers(1).application(), web.application());
  EXPECT_EQ(servers.source_servers(2).application(), "");
  const auto applications = Applications();
  ASSERT_EQ(applications.applications_size(), 2);
  EXPECT_EQ(applications.applications(0).name(), web.application());
  EXPECT_EQ(applications.applications(0).description(), "the shop");
  EXPECT_EQ(applications.applications(1).tags().at("Owner"), "");
  pb::GetGroupRequest get;
  get.set_name(applications.applications(0).wave());
  ASSERT_OK_AND_ASSIGN(const pb::Wave wave, Call(*fleet_, &Fleet::GetWave, get));
  EXPECT_EQ(wave.description(), "a, \"quoted\"\nline");
  pb::GetSettingsRequest settings;
  settings.set_name(web.name());
  ASSERT_OK_AND_ASSIGN(const auto launch, Call(*servers_, &Servers::GetLaunchSettings, settings));
  EXPECT_EQ(launch.boot_mode(), jobs_pb::LaunchSettings::UEFI);
  EXPECT_TRUE(launch.copy_private_ip());
  EXPECT_EQ(launch.machine_tags().at("Env"), "prod");
  EXPECT_EQ(launch.cpu_count(), 4);
  pb::ListServerHistoryRequest history;
  history.set_name(web.name());
  ASSERT_OK_AND_ASSIGN(const auto entries, Call(*servers_, &Servers::ListServerHistory, history));
  EXPECT_EQ(entries.entries(0).event(), "Import");
  EXPECT_EQ(entries.entries(0).principal(), "user/operator/carol");

  // What is exported changes nothing when it is imported, here by ids...
  const std::string with_ids = ExportContent(/*without_ids=*/false);
  EXPECT_TRUE(absl::StrContains(with_ids, web.name().substr(sizeof "sourceServers/" - 1)));
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask same, Import(ImportOf(with_ids)));
  EXPECT_EQ(same.state(), pb::ImportTask::SUCCEEDED);
  EXPECT_EQ(Counts(same), (std::array<std::int64_t, 6>{}));
  EXPECT_EQ(Get(web.name()).etag(), web.etag());
  EXPECT_EQ(ExportContent(false), with_ids);
  // ... and makes the same elsewhere by names: cells with AWS's own settings, too.
  const std::string by_names = ExportContent(/*without_ids=*/true);
  EXPECT_TRUE(absl::StrContains(by_names, "subnet-1")) << by_names;
  EXPECT_TRUE(absl::StrContains(by_names, "windows")) << by_names;
  DeleteEverything();
  if (HasFatalFailure()) return;
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask elsewhere, Import(ImportOf(by_names)));
  EXPECT_EQ(elsewhere.state(), pb::ImportTask::SUCCEEDED);
  EXPECT_EQ(Counts(elsewhere), Counts(task));
  EXPECT_EQ(ExportContent(true), by_names);

  // Changes: what is given replaces, what is empty stays; instructions; moves.
  ASSERT_OK_AND_ASSIGN(
      const pb::ImportTask changes,
      Import(ImportOf("mgn:app:name,mgn:wave:name,mgn:server:user-provided-id,mgn:server:tag:a b,"
                      "mgn:launch:boot-mode,mgn:launch:nic:0:subnet-id,mgn:app:description\n"
                      "Lonely,Empty,web-1,[DELETE_TAG],[RESET_VALUE],[RESET_VALUE],moved\n")));
  EXPECT_EQ(changes.state(), pb::ImportTask::SUCCEEDED);
  EXPECT_EQ(Counts(changes), (std::array<std::int64_t, 6>{0, 0, 0, 1, 0, 1}));
  const pb::SourceServer moved = AllServers().source_servers(0);
  EXPECT_EQ(moved.user_provided_id(), "web-1");
  EXPECT_EQ(moved.tags().count("a b"), 0u);
  EXPECT_EQ(moved.application(), Applications().applications(1).name());
  EXPECT_EQ(Applications().applications(1).description(), "moved");
  EXPECT_FALSE(absl::StrContains(ExportContent(true), "subnet-1"));
}

}  // namespace
}  // namespace godwit::registry
