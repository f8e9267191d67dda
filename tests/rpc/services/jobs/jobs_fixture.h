// godwit-jobs as a real process on a real PostgreSQL, with fake peers and real (tiny) machines.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/serve.h"
#include "tests/rpc/services/jobs/fake_peers.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::testing {

class JobsFixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("GODWIT_PG_FSYNC", "on", 1);
    auto started = TestDatabase::Start();
    ASSERT_OK(started);
    database_ = started->release();
  }
  static void TearDownTestSuite() { delete database_; }

  void SetUp() override { pki_.Write("service/jobs", dir_ / "tls"); }
  void TearDown() override {
    // Machines outlive the service: end those a failed test left.
    for (const int pid : AllMachineProcesses()) kill(pid, SIGKILL);
  }

  Process StartJobs(const std::map<std::string, std::string>& environment = {},
                    const std::vector<std::string>& more_flags = {}) {
    std::vector<std::string> command = {Program("godwit-jobs"),
                                        "--listen=127.0.0.1:0",
                                        "--accelerator=tcg",
                                        "--lease-duration=2s",
                                        absl::StrCat("--database=", database_->conninfo()),
                                        absl::StrCat("--tls-dir=", dir_ / "tls"),
                                        absl::StrCat("--machines-dir=", dir_ / "machines")};
    for (const std::string& flag : peers_.Flags()) command.push_back(flag);
    command.insert(command.end(), more_flags.begin(), more_flags.end());
    auto process =
        Process::Start({.command = command, .log = dir_ / "jobs.log", .environment = environment});
    EXPECT_OK(process);
    return process.ok() ? *std::move(process) : Process();
  }
  // Connects to the process once it serves.
  void Connect(Process& process) {
    const auto port = process.WaitForPort();
    ASSERT_TRUE(port.ok()) << port.status() << process.Log();
    port_ = *port;
  }
  std::unique_ptr<jobs::v1::JobService::Stub> Stub(const std::string& principal) {
    return jobs::v1::JobService::NewStub(rpc::Dial(absl::StrCat("127.0.0.1:", port_),
                                                   {.kind = rpc::PeerKind::kService, .id = "jobs"},
                                                   pki_.Issue(principal)));
  }

  // A test launch of the tiny machine.
  jobs::v1::CreateJobRequest LaunchOf(const std::string& server) const {
    jobs::v1::CreateJobRequest request;
    request.set_request_id(NewUuid());
    request.set_type(jobs::v1::Job::TEST_LAUNCH);
    request.set_initiated_by("user/operator/alice");
    jobs::v1::JobServer* entry = request.add_servers();
    entry->set_source_server(absl::StrCat("sourceServers/", server));
    jobs::v1::LaunchSettings* settings = entry->mutable_launch_settings();
    settings->set_memory_bytes(128ll << 20);
    settings->add_port_forwards()->set_guest_port(22);
    settings->mutable_boot_proof()->set_console_text(kTinyHello);
    settings->mutable_boot_proof()->mutable_timeout()->set_seconds(60);
    return request;
  }
  absl::StatusOr<jobs::v1::Job> Create(const jobs::v1::CreateJobRequest& request,
                                       const std::string& principal = "service/registry") {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    jobs::v1::Job job;
    const absl::Status status = rpc::FromGrpc(Stub(principal)->CreateJob(&context, request, &job));
    if (!status.ok()) return status;
    return job;
  }
  absl::StatusOr<jobs::v1::Job> Get(const std::string& name) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    jobs::v1::GetJobRequest request;
    request.set_name(name);
    jobs::v1::Job job;
    const absl::Status status =
        rpc::FromGrpc(Stub("user/viewer/bob")->GetJob(&context, request, &job));
    if (!status.ok()) return status;
    return job;
  }
  // The job once it ended, or as it is when patience is over.
  jobs::v1::Job AwaitEnd(const std::string& name, absl::Duration patience = absl::Seconds(90)) {
    const absl::Time deadline = absl::Now() + patience;
    jobs::v1::Job job;
    while (absl::Now() < deadline) {
      const auto got = Get(name);
      EXPECT_OK(got);
      if (!got.ok()) return job;
      job = *got;
      if (job.state() >= jobs::v1::Job::SUCCEEDED) return job;
      absl::SleepFor(absl::Milliseconds(100));
    }
    ADD_FAILURE() << "the job did not end: " << job.DebugString();
    return job;
  }
  std::vector<jobs::v1::JobLogItem> LogOf(const std::string& name) {
    grpc::ClientContext context;
    jobs::v1::ListJobLogItemsRequest request;
    request.set_name(name);
    request.set_page_size(500);
    jobs::v1::ListJobLogItemsResponse response;
    EXPECT_OK(
        rpc::FromGrpc(Stub("user/viewer/bob")->ListJobLogItems(&context, request, &response)));
    return {response.items().begin(), response.items().end()};
  }
  std::vector<std::string> Events(const std::string& name) {
    std::vector<std::string> out;
    for (const auto& item : LogOf(name))
      out.push_back(jobs::v1::JobLogItem::Event_Name(item.event()));
    return out;
  }
  // Process ids of machines of this test's folder.
  std::vector<int> AllMachineProcesses() const {
    std::vector<int> out;
    const std::string machines = dir_ / "machines";
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      int pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
      std::error_code error;
      const auto where = std::filesystem::read_symlink(entry.path() / "cwd", error);
      if (!error && where.string().rfind(machines, 0) == 0) out.push_back(pid);
    }
    return out;
  }
  std::vector<std::string> MachineFolders() const {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "machines", error)) {
      if (entry.is_directory()) out.push_back(entry.path().filename().string());
    }
    return out;
  }

  static TestDatabase* database_;
  TempDir dir_;
  TestPki pki_;
  FakePeers peers_{pki_};
  int port_ = 0;
};
inline TestDatabase* JobsFixture::database_ = nullptr;

}  // namespace godwit::testing
