// Imports and exports of the inventory, connectors.
#include <array>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/registry/v1/connector_service.grpc.pb.h"
#include "godwit/registry/v1/transfer_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/pg/pool.h"
#include "services/registry/storage/transfer_store.h"
#include "tests/rpc/services/registry/registry_fixture.h"
#include "tests/support/process.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using Stub = pb::TransferService::Stub;
using Fleet = pb::FleetService::Stub;
using Servers = pb::SourceServerService::Stub;

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

class TransferTest : public RegistryTest {
 protected:
  static void SetUpTestSuite() {
    ASSERT_OK(SetUpInstallation(Profile::kStrict));
    folder_ = new TempDir;
    std::filesystem::create_directories(*folder_ / "transfer/bucket");
    installation_->config.transfer_dir = *folder_ / "transfer";
    ASSERT_OK(StartRegistry());
  }
  static void TearDownTestSuite() {
    RegistryTest::TearDownTestSuite();
    delete folder_;
  }
  void SetUp() override {
    const auto channel = ChannelAs("user/operator/carol");
    transfers_ = pb::TransferService::NewStub(channel);
    fleet_ = pb::FleetService::NewStub(channel);
    servers_ = pb::SourceServerService::NewStub(channel);
    connectors_ = pb::ConnectorService::NewStub(channel);
  }

  static pb::StartImportRequest ImportOf(const std::string& content) {
    pb::StartImportRequest request;
    request.set_request_id(NewUuid());
    request.set_content(content);
    return request;
  }
  template <typename Task, typename Method>
  absl::StatusOr<Task> Ended(const std::string& name, Method get) {
    pb::GetTransferRequest request;
    request.set_name(name);
    for (const absl::Time give_up = absl::Now() + absl::Seconds(60); absl::Now() < give_up;) {
      auto task = Call(*transfers_, get, request);
      if (!task.ok() || task->has_end_time()) return task;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return absl::DeadlineExceededError(name);
  }
  absl::StatusOr<pb::ImportTask> Import(const pb::StartImportRequest& request) {
    const auto started = Call(*transfers_, &Stub::StartImport, request);
    if (!started.ok()) return started.status();
    return Ended<pb::ImportTask>(started->name(), &Stub::GetImport);
  }
  absl::StatusOr<pb::ExportTask> Export(const pb::StartExportRequest& request) {
    const auto started = Call(*transfers_, &Stub::StartExport, request);
    if (!started.ok()) return started.status();
    return Ended<pb::ExportTask>(started->name(), &Stub::GetExport);
  }
  std::string ExportContent(bool without_ids) {
    pb::StartExportRequest request;
    request.set_request_id(NewUuid());
    request.set_without_ids(without_ids);
    const auto task = Export(request);
    EXPECT_OK(task);
    if (!task.ok()) return "";
    EXPECT_EQ(task->state(), pb::ImportTask::SUCCEEDED);
    EXPECT_EQ(task->error_count(), 0);
    std::string content;
    pb::GetExportContentRequest read;
    read.set_name(task->name());
    while (true) {
      read.set_offset(static_cast<std::int64_t>(content.size()));
      const auto piece = Call(*transfers_, &Stub::GetExportContent, read);
      EXPECT_OK(piece);
      if (!piece.ok() || piece->content().empty()) break;
      content += piece->content();
    }
    EXPECT_EQ(task->content_bytes(), static_cast<std::int64_t>(content.size()));
    return content;
  }
  std::vector<pb::TransferError> ErrorsOf(const std::string& import) {
    pb::ListTransferErrorsRequest request;
    request.set_name(import);
    request.set_page_size(2);
    std::vector<pb::TransferError> errors;
    do {
      const auto page = Call(*transfers_, &Stub::ListImportErrors, request);
      EXPECT_OK(page);
      if (!page.ok()) break;
      errors.insert(errors.end(), page->errors().begin(), page->errors().end());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return errors;
  }
  static std::array<std::int64_t, 6> Counts(const pb::ImportTask& task) {
    return {task.waves().created_count(),        task.waves().modified_count(),
            task.applications().created_count(), task.applications().modified_count(),
            task.servers().created_count(),      task.servers().modified_count()};
  }
  pb::ListSourceServersResponse AllServers() {
    const auto list = Call(*servers_, &Servers::ListSourceServers, pb::ListSourceServersRequest());
    EXPECT_OK(list);
    return list.ok() ? *list : pb::ListSourceServersResponse();
  }
  pb::ListApplicationsResponse Applications() {
    const auto list = Call(*fleet_, &Fleet::ListApplications, pb::ListGroupsRequest());
    EXPECT_OK(list);
    return list.ok() ? *list : pb::ListApplicationsResponse();
  }
  void DeleteEverything() {
    const auto servers = AllServers();
    for (const auto& server : servers.source_servers()) {
      pb::DeleteSourceServerRequest remove;
      remove.set_name(server.name());
      ASSERT_OK(Call(*servers_, &Servers::DeleteSourceServer, remove));
    }
    const auto named = [](const std::string& name) {
      pb::DeleteGroupRequest request;
      request.set_name(name);
      return request;
    };
    const auto applications = Applications();
    for (const auto& application : applications.applications()) {
      if (!application.wave().empty()) {
        pb::AssociateRequest leave;
        leave.set_name(application.wave());
        leave.add_members(application.name());
        leave.set_request_id(NewUuid());
        ASSERT_OK(Call(*fleet_, &Fleet::DisassociateApplications, leave));
      }
      ASSERT_OK(Call(*fleet_, &Fleet::DeleteApplication, named(application.name())));
    }
    ASSERT_OK_AND_ASSIGN(const auto waves,
                         Call(*fleet_, &Fleet::ListWaves, pb::ListGroupsRequest()));
    for (const auto& wave : waves.waves()) {
      ASSERT_OK(Call(*fleet_, &Fleet::DeleteWave, named(wave.name())));
    }
  }

  inline static TempDir* folder_ = nullptr;
  std::unique_ptr<Stub> transfers_;
  std::unique_ptr<Fleet> fleet_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<pb::ConnectorService::Stub> connectors_;
};

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
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask again, Call(*transfers_, &Stub::StartImport, request));
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

TEST_F(TransferTest, WhatCannotBeDone) {
  ASSERT_OK(Import(ImportOf("mgn:app:name,mgn:server:user-provided-id\nShop,web-1\n")));
  const std::string app = Applications().applications(0).name();
  // Another one of the same name.
  pb::CreateApplicationRequest create;
  create.set_request_id(NewUuid());
  create.mutable_application()->set_display_name("Twin");
  ASSERT_OK(Call(*fleet_, &Fleet::CreateApplication, create));
  create.set_request_id(NewUuid());
  ASSERT_OK(Call(*fleet_, &Fleet::CreateApplication, create));
  const std::string server =
      AllServers().source_servers(0).name().substr(sizeof "sourceServers/" - 1);

  ASSERT_OK_AND_ASSIGN(const pb::ImportTask task,
                       Import(ImportOf(absl::StrCat(
                           "mgn:app:id,mgn:app:name,mgn:server:id,mgn:server:user-provided-id,"
                           "mgn:launch:boot-mode,godwit:launch:cpu-count,mgn:app:tag:k\n",
                           ",Good,,new-1,,,\n",              // 2
                           "app-00000000000000000,,,,,,\n",  // 3: none
                           ",Twin,,,,,\n",                   // 4: two of them
                           ",,", server, ",other,,,\n",      // 5: has another user-provided id
                           ",,,new-2,uefi,,\n",              // 6: no such word
                           ",Never made,,new-3,,513,\n",     // 7: too many processors
                           "short\n",                        // 8
                           ",Good,,,,,", std::string(300, 'x'), "\n",  // 9: too long for a tag
                           ",,,new-4,,,\n"))));                        // 10
  EXPECT_EQ(task.state(), pb::ImportTask::FAILED);
  EXPECT_EQ(task.done_row_count(), 9);
  EXPECT_EQ(task.error_count(), 7);
  EXPECT_EQ(task.servers().created_count(), 2);
  const auto errors = ErrorsOf(task.name());
  ASSERT_EQ(errors.size(), 7u);
  const auto expect = [&](int index, int row, pb::TransferError::Type type, const char* text) {
    EXPECT_EQ(errors[index].row_number(), row);
    EXPECT_EQ(errors[index].type(), type) << errors[index].message();
    EXPECT_THAT(errors[index].message(), ::testing::HasSubstr(text));
  };
  expect(0, 3, pb::TransferError::PROCESSING_ERROR, "applications/app-00000000000000000");
  expect(1, 4, pb::TransferError::PROCESSING_ERROR, "mgn:app:id");
  expect(2, 5, pb::TransferError::PROCESSING_ERROR, "cannot be changed");
  EXPECT_EQ(errors[2].source_server(), "sourceServers/" + server);
  expect(3, 6, pb::TransferError::VALIDATION_ERROR, "UEFI");
  expect(4, 7, pb::TransferError::VALIDATION_ERROR, "cpu_count");
  expect(5, 8, pb::TransferError::VALIDATION_ERROR, "cells");
  expect(6, 9, pb::TransferError::VALIDATION_ERROR, "256");
  // Nothing of a row that failed remains.
  const auto left = Applications();
  for (const auto& application : left.applications()) {
    EXPECT_NE(application.display_name(), "Never made");
  }
  EXPECT_EQ(Get("sourceServers/" + server).application(), app);

  // Files that are wrong as a whole change nothing.
  for (const auto& [content, row, text] :
       {std::tuple<const char*, int, const char*>{"mgn:app:name\n\"A\n", 2, "not closed"},
        {"mgn:app:nmae\nA\n", 1, "mgn:app:nmae"},
        {"\n", 1, "no heading"}}) {
    ASSERT_OK_AND_ASSIGN(const pb::ImportTask failed, Import(ImportOf(content)));
    EXPECT_EQ(failed.state(), pb::ImportTask::FAILED);
    const auto why = ErrorsOf(failed.name());
    ASSERT_EQ(why.size(), 1u);
    EXPECT_EQ(why[0].row_number(), row) << content;
    EXPECT_THAT(why[0].message(), ::testing::HasSubstr(text));
  }

  // Requests.
  const auto refused = [&](const pb::StartImportRequest& request, absl::StatusCode code,
                           const char* text) {
    EXPECT_THAT(Call(*transfers_, &Stub::StartImport, request), StatusIs(code, text));
  };
  using absl::StatusCode;
  refused(ImportOf(""), StatusCode::kInvalidArgument, "content");
  refused(ImportOf(std::string(4'000'001, 'x')), StatusCode::kInvalidArgument, "4000000");
  pb::StartImportRequest request = ImportOf("mgn:app:name\n");
  request.set_request_id("1");
  refused(request, StatusCode::kInvalidArgument, "request_id");
  const auto file = [](const std::string& bucket, const std::string& key) {
    pb::StartImportRequest from;
    from.set_request_id(NewUuid());
    from.mutable_file()->set_bucket(bucket);
    from.mutable_file()->set_key(key);
    return from;
  };
  refused(file("..", "x.csv"), StatusCode::kInvalidArgument, "file.bucket");
  refused(file("bucket", "../x.csv"), StatusCode::kInvalidArgument, "file.key");
  refused(file("bucket", "none.csv"), StatusCode::kNotFound, "none.csv");
  std::filesystem::create_symlink("/etc/passwd", *folder_ / "transfer/bucket/link.csv");
  refused(file("bucket", "link.csv"), StatusCode::kFailedPrecondition, "link");

  // The folder.
  ASSERT_OK(WriteFileAtomically(*folder_ / "transfer/bucket/in.csv", "mgn:app:name\nFiled\n"));
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask from_file, Import(file("bucket", "in.csv")));
  EXPECT_EQ(from_file.applications().created_count(), 1);
  EXPECT_EQ(from_file.file().key(), "in.csv");
  pb::StartExportRequest to_file;
  to_file.set_request_id(NewUuid());
  *to_file.mutable_file() = file("bucket", "deep/out.csv").file();
  ASSERT_OK_AND_ASSIGN(const pb::ExportTask exported, Export(to_file));
  EXPECT_EQ(exported.state(), pb::ImportTask::SUCCEEDED);
  EXPECT_EQ(ReadFile(*folder_ / "transfer/bucket/deep/out.csv").value_or(""), ExportContent(false));

  // Values that an import would take for something else are left out and told of.
  pb::UpdateSourceServerRequest update;
  update.mutable_source_server()->set_name("sourceServers/" + server);
  (*update.mutable_source_server()->mutable_tags())["trap"] = "[DELETE_TAG]";
  update.mutable_update_mask()->add_paths("tags");
  ASSERT_OK(Call(*servers_, &Servers::UpdateSourceServer, update));
  to_file.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const pb::ExportTask trapped, Export(to_file));
  EXPECT_EQ(trapped.error_count(), 1);
  pb::ListTransferErrorsRequest list;
  list.set_name(trapped.name());
  ASSERT_OK_AND_ASSIGN(const auto missing, Call(*transfers_, &Stub::ListExportErrors, list));
  EXPECT_EQ(missing.errors(0).source_server(), "sourceServers/" + server);

  // Lists: newest first, by names, in pages.
  pb::ListTransfersRequest imports;
  imports.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto newest, Call(*transfers_, &Stub::ListImports, imports));
  EXPECT_EQ(newest.imports(0).name(), from_file.name());
  imports.set_page_token(newest.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto next, Call(*transfers_, &Stub::ListImports, imports));
  EXPECT_NE(next.imports(0).name(), from_file.name());
  pb::ListTransfersRequest by_name;
  by_name.add_names(task.name());
  by_name.add_names("imports/import-00000000000000000");
  ASSERT_OK_AND_ASSIGN(const auto found, Call(*transfers_, &Stub::ListImports, by_name));
  ASSERT_EQ(found.imports_size(), 1);

  // Without a folder.
  installation_->config.transfer_dir = "";
  ASSERT_OK(StartRegistry());
  SetUp();
  refused(file("bucket", "in.csv"), StatusCode::kFailedPrecondition, "--transfer-dir");
}

// Who took a transfer over is the only one who can go on with it.
TEST_F(TransferTest, AStaleWorkerIsFencedOff) {
  pg::Pool pool({.conninfo = installation_->database->conninfo()});
  installation_->registry.reset();  // nobody else works on it
  auto connection = pool.Acquire();
  ASSERT_OK(connection);
  using storage::TransferKind;
  ASSERT_OK(storage::InsertTransfer(**connection,
                                    {.id = NewId("import-"), .principal = "user/admin/a"}, "x", 1));
  EXPECT_THAT(storage::InsertTransfer(
                  **connection, {.id = NewId("import-"), .principal = "user/admin/a"}, "x", 1),
              StatusIs(absl::StatusCode::kResourceExhausted, "1 imports"));
  ASSERT_OK_AND_ASSIGN(const auto first, storage::ClaimTransfer(**connection, TransferKind::kImport,
                                                                absl::Milliseconds(1)));
  ASSERT_TRUE(first);
  absl::SleepFor(absl::Milliseconds(5));
  ASSERT_OK_AND_ASSIGN(
      const auto second,
      storage::ClaimTransfer(**connection, TransferKind::kImport, absl::Seconds(60)));
  ASSERT_TRUE(second);
  EXPECT_GT(second->generation, first->generation);
  ASSERT_OK_AND_ASSIGN(const auto third, storage::ClaimTransfer(**connection, TransferKind::kImport,
                                                                absl::Seconds(60)));
  EXPECT_FALSE(third);
  EXPECT_THAT(storage::LockOwnTransfer(**connection, *first),
              StatusIs(absl::StatusCode::kAborted, "taken over"));
  EXPECT_OK(storage::LockOwnTransfer(**connection, *second));
  storage::Transfer done = *second;
  done.row_count = done.done_row_count = 1;
  ASSERT_OK(storage::SaveProgress(**connection, done, absl::Seconds(60)));
  // A row that is done is not done again.
  EXPECT_THAT(storage::LockOwnTransfer(**connection, *second),
              StatusIs(absl::StatusCode::kAborted, "taken over"));
  ASSERT_OK(
      storage::EndTransfer(**connection, done, storage::TransferState::kSucceeded, std::nullopt));
  // Forgotten: not while they are new and few.
  ASSERT_OK(
      storage::ForgetTransfers(**connection, TransferKind::kImport, absl::Hours(1), 1000).status());
  EXPECT_OK(storage::GetTransfer(**connection, TransferKind::kImport, second->id));
  ASSERT_OK(
      storage::ForgetTransfers(**connection, TransferKind::kImport, absl::Hours(1), 0).status());
  EXPECT_THAT(storage::GetTransfer(**connection, TransferKind::kImport, second->id),
              StatusIs(absl::StatusCode::kNotFound, second->id));
  ASSERT_OK(StartRegistry());
}

TEST_F(TransferTest, Connectors) {
  using Connectors = pb::ConnectorService::Stub;
  pb::CreateConnectorRequest create;
  create.set_request_id(NewUuid());
  create.mutable_connector()->set_display_name("site_1");
  create.mutable_connector()->set_instance_id("i-0123456789abcdef0");
  (*create.mutable_connector()->mutable_tags())["k"] = "v";
  create.mutable_connector()->mutable_command_config();  // all false is not the same as unset
  ASSERT_OK_AND_ASSIGN(const pb::Connector made,
                       Call(*connectors_, &Connectors::CreateConnector, create));
  pb::GetConnectorRequest get;
  get.set_name(made.name());
  ASSERT_OK_AND_ASSIGN(const pb::Connector read,
                       Call(*connectors_, &Connectors::GetConnector, get));
  EXPECT_EQ(read.DebugString(), made.DebugString());
  EXPECT_TRUE(read.has_command_config());
  pb::UpdateConnectorRequest update;
  update.mutable_connector()->set_name(made.name());
  update.mutable_connector()->set_etag(made.etag());
  update.mutable_connector()->set_display_name("site-2");
  update.mutable_update_mask()->add_paths("display_name");
  update.mutable_update_mask()->add_paths("command_config");
  ASSERT_OK_AND_ASSIGN(const pb::Connector updated,
                       Call(*connectors_, &Connectors::UpdateConnector, update));
  EXPECT_EQ(updated.display_name(), "site-2");
  EXPECT_FALSE(updated.has_command_config());
  EXPECT_EQ(updated.tags().at("k"), "v");
  EXPECT_THAT(Call(*connectors_, &Connectors::UpdateConnector, update),
              StatusIs(absl::StatusCode::kAborted, "etag"));
  update.mutable_connector()->clear_etag();
  update.mutable_update_mask()->add_paths("instance_id");
  EXPECT_THAT(Call(*connectors_, &Connectors::UpdateConnector, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "update_mask"));
  create.set_request_id(NewUuid());
  create.mutable_connector()->set_display_name("no spaces");
  EXPECT_THAT(Call(*connectors_, &Connectors::CreateConnector, create),
              StatusIs(absl::StatusCode::kInvalidArgument, "connector.display_name"));
  create.mutable_connector()->set_display_name("many");
  for (int i = 1; i < 50; ++i) {
    create.set_request_id(NewUuid());
    ASSERT_OK(Call(*connectors_, &Connectors::CreateConnector, create));
  }
  create.set_request_id(NewUuid());
  EXPECT_THAT(Call(*connectors_, &Connectors::CreateConnector, create),
              StatusIs(absl::StatusCode::kResourceExhausted, "50 connectors"));
  pb::ListConnectorsRequest list;
  list.set_page_size(30);
  ASSERT_OK_AND_ASSIGN(const auto page, Call(*connectors_, &Connectors::ListConnectors, list));
  EXPECT_EQ(page.connectors_size(), 30);
  EXPECT_EQ(page.connectors(0).name(), made.name());
  list.set_page_token(page.next_page_token());
  EXPECT_EQ(Call(*connectors_, &Connectors::ListConnectors, list)->connectors_size(), 20);
  pb::DeleteConnectorRequest remove;
  remove.set_name(made.name());
  ASSERT_OK(Call(*connectors_, &Connectors::DeleteConnector, remove));
  EXPECT_THAT(Call(*connectors_, &Connectors::DeleteConnector, remove),
              StatusIs(absl::StatusCode::kNotFound, made.name()));
}

}  // namespace
}  // namespace godwit::registry
