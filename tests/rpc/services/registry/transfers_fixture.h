// A registry with a transfer folder, and what tests of imports and exports ask it.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "godwit/registry/v1/transfer_service.grpc.pb.h"
#include "tests/rpc/services/registry/registry_fixture.h"
#include "tests/support/process.h"

namespace godwit::registry {

class TransferTest : public RegistryTest {
 protected:
  using Transfers = pb::TransferService::Stub;
  using Fleet = pb::FleetService::Stub;
  using Servers = pb::SourceServerService::Stub;

  static void SetUpTestSuite() {
    ASSERT_OK(SetUpInstallation(Profile::kStrict));
    folder_ = new ::godwit::testing::TempDir;
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
    const auto started = Call(*transfers_, &Transfers::StartImport, request);
    if (!started.ok()) return started.status();
    return Ended<pb::ImportTask>(started->name(), &Transfers::GetImport);
  }
  absl::StatusOr<pb::ExportTask> Export(const pb::StartExportRequest& request) {
    const auto started = Call(*transfers_, &Transfers::StartExport, request);
    if (!started.ok()) return started.status();
    return Ended<pb::ExportTask>(started->name(), &Transfers::GetExport);
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
      const auto piece = Call(*transfers_, &Transfers::GetExportContent, read);
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
      const auto page = Call(*transfers_, &Transfers::ListImportErrors, request);
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

  inline static ::godwit::testing::TempDir* folder_ = nullptr;
  std::unique_ptr<Transfers> transfers_;
  std::unique_ptr<Fleet> fleet_;
  std::unique_ptr<Servers> servers_;
};

}  // namespace godwit::registry
