// The program itself: set-up commands, and being killed between a decision and its delivery.
#include <sys/wait.h>

#include <set>

#include "godwit/registry/v1/transfer_service.grpc.pb.h"
#include "tests/rpc/services/registry/registry_fixture.h"
#include "tests/support/process.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::Program;
using ::godwit::testing::TempDir;
using ::godwit::testing::TestDatabase;
using Stub = pb::SourceServerService::Stub;

class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(Command({"ca-init", "--dir", dir_ / "ca"}), 0);
    for (const std::string principal :
         {"service/registry", "service/jobs", "service/replication", "user/admin/a"}) {
      ASSERT_EQ(Command({"ca-issue", "--dir", dir_ / "ca", "--identity", principal, "--out",
                         dir_ / principal}),
                0);
    }
    ASSERT_OK_AND_ASSIGN(database_, TestDatabase::Start());
    ASSERT_OK_AND_ASSIGN(
        jobs_server_,
        rpc::Server::Start({.listen = "127.0.0.1:0", .tls = Tls("service/jobs")}, {&jobs_}));
    ASSERT_OK_AND_ASSIGN(
        replication_server_,
        rpc::Server::Start({.listen = "127.0.0.1:0", .tls = Tls("service/replication")},
                           {&replication_}));
  }

  // Exit status of a set-up command.
  int Command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Program("godwit-registry"));
    auto process = Process::Start({.command = arguments, .log = dir_ / "command.log"});
    if (!process.ok()) return -1;
    const auto status = process->Wait(absl::Seconds(30));
    return status.ok() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }

  rpc::TlsMaterial Tls(const std::string& principal) {
    const auto tls = rpc::LoadTls(dir_ / principal);
    EXPECT_OK(tls);
    return tls.ok() ? *tls : rpc::TlsMaterial();
  }

  // Starts the registry; on later calls on the same ports.
  void StartProgram(const std::string& failpoint) {
    const auto at = [](int port) { return absl::StrCat("127.0.0.1:", port); };
    ASSERT_OK_AND_ASSIGN(
        process_,
        Process::Start({.command = {Program("godwit-registry"), "--listen", at(port_),
                                    "--enroll-listen", at(enroll_port_), "--database",
                                    database_->conninfo(), "--tls-dir", dir_ / "service/registry",
                                    "--ca-dir", dir_ / "ca", "--jobs", at(jobs_server_->port()),
                                    "--replication", at(replication_server_->port())},
                        .log = dir_ / "registry.log",
                        .environment = {{"GODWIT_FAILPOINT", failpoint}}}));
    ASSERT_OK_AND_ASSIGN(port_, process_.WaitForPort());
    ASSERT_OK_AND_ASSIGN(const std::string enroll, process_.WaitForLog("serving", "enroll_port"));
    enroll_port_ = std::stoi(enroll);
    const rpc::TlsMaterial tls = Tls("user/admin/a");
    channel_ = rpc::Dial(at(port_), ServiceNamed("registry"), tls);
    enroll_channel_ =
        rpc::DialWithoutCertificate(at(enroll_port_), ServiceNamed("registry"), tls.ca);
    stub_ = pb::SourceServerService::NewStub(channel_);
  }

  template <typename S, typename Request, typename Response>
  static absl::StatusOr<Response> Call(S& stub,
                                       grpc::Status (S::*method)(grpc::ClientContext*,
                                                                 const Request&, Response*),
                                       const Request& request) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    Response response;
    const absl::Status status = rpc::FromGrpc((stub.*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  // A server that is READY_FOR_TEST.
  std::string ReadyServer() {
    const auto tokens = pb::TokenService::NewStub(channel_);
    pb::CreateTokenRequest create;
    create.set_request_id(NewUuid());
    const auto token = Call(*tokens, &pb::TokenService::Stub::CreateToken, create);
    EXPECT_OK(token);
    const auto enrollment = pb::EnrollmentService::NewStub(enroll_channel_);
    pb::EnrollRequest enroll;
    enroll.set_token(token->secret());
    enroll.set_csr_pem(rpc::MakeKeyAndCsr("agent")->csr_pem);
    enroll.set_request_id(NewUuid());
    enroll.mutable_properties()->set_hostname("source");
    const auto enrolled = Call(*enrollment, &pb::EnrollmentService::Stub::Enroll, enroll);
    EXPECT_OK(enrolled);
    const auto events = pb::RegistryEventService::NewStub(rpc::Dial(
        absl::StrCat("127.0.0.1:", port_), ServiceNamed("registry"), Tls("service/replication")));
    pb::ReportInitialSyncDoneRequest synced;
    synced.set_source_server(enrolled->source_server());
    synced.set_point(enrolled->source_server() + "/points/" + NewId("p-"));
    synced.set_request_id(NewUuid());
    EXPECT_OK(Call(*events, &pb::RegistryEventService::Stub::ReportInitialSyncDone, synced));
    return enrolled->source_server();
  }

  // Calls StartTest, is left without an answer, and asks again with the same request id.
  void LaunchOverACrash(const std::string& failpoint) {
    StartProgram("");
    if (HasFatalFailure()) return;
    const std::string server = ReadyServer();
    ASSERT_OK(process_.Terminate());
    StartProgram(failpoint);
    if (HasFatalFailure()) return;
    pb::StartLaunchRequest launch;
    launch.add_names(server);
    launch.set_request_id(NewUuid());
    EXPECT_EQ(Call(*stub_, &Stub::StartTest, launch).status().code(),
              absl::StatusCode::kUnavailable);
    ASSERT_OK_AND_ASSIGN(const int status, process_.Wait(absl::Seconds(20)));
    EXPECT_TRUE(WIFSIGNALED(status));
    StartProgram("");
    if (HasFatalFailure()) return;
    ASSERT_OK_AND_ASSIGN(const auto job, Call(*stub_, &Stub::StartTest, launch));
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    while (jobs_.requests().empty() && absl::Now() < give_up) {
      absl::SleepFor(absl::Milliseconds(50));
    }
    // However often it was delivered, it is one job under one request id.
    std::set<std::string> requests, names;
    for (const auto& request : jobs_.requests()) {
      requests.insert(request.request_id());
      names.insert("jobs/" + request.job_id());
    }
    EXPECT_THAT(requests, ::testing::ElementsAre(launch.request_id()));
    EXPECT_THAT(names, ::testing::ElementsAre(job.name()));
    pb::GetSourceServerRequest get;
    get.set_name(server);
    ASSERT_OK_AND_ASSIGN(const auto after, Call(*stub_, &Stub::GetSourceServer, get));
    EXPECT_EQ(after.lifecycle_state(), pb::SourceServer::TESTING);
    EXPECT_EQ(after.last_test().job(), job.name());
    pb::ListServerHistoryRequest ask;
    ask.set_name(server);
    ASSERT_OK_AND_ASSIGN(const auto history, Call(*stub_, &Stub::ListServerHistory, ask));
    EXPECT_EQ(history.entries_size(), 3);  // Enroll, initial sync, StartTest once
    ASSERT_OK_AND_ASSIGN(const int end, process_.Terminate());
    EXPECT_TRUE(WIFEXITED(end) && WEXITSTATUS(end) == 0) << process_.Log();
  }

  TempDir dir_;
  std::unique_ptr<TestDatabase> database_;
  RecordingJobs jobs_;
  RecordingReplication replication_;
  std::unique_ptr<rpc::Server> jobs_server_, replication_server_;
  Process process_;
  int port_ = 0, enroll_port_ = 0;
  std::shared_ptr<grpc::Channel> channel_, enroll_channel_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(ProgramTest, KilledBeforeTheDelivery) {
  LaunchOverACrash("registry.change.committed:1:crash");
}

TEST_F(ProgramTest, KilledAfterTheDelivery) {
  LaunchOverACrash("registry.outbox.before_done:1:crash");
}

// Every row is imported once, whatever happened to the registry that began.
TEST_F(ProgramTest, AnImportGoesOnAfterACrash) {
  constexpr int kServers = 60;
  using Transfers = pb::TransferService::Stub;
  StartProgram("registry.import.row_done:25:crash");
  if (HasFatalFailure()) return;
  pb::StartImportRequest start;
  start.set_request_id(NewUuid());
  std::string content = "mgn:app:name,mgn:server:user-provided-id\n";
  for (int i = 0; i < kServers; ++i) absl::StrAppend(&content, "App", i % 3, ",server-", i, "\n");
  start.set_content(content);
  // The answer may or may not come before the end.
  Call(*pb::TransferService::NewStub(channel_), &Transfers::StartImport, start)
      .status()
      .IgnoreError();
  ASSERT_OK_AND_ASSIGN(const int status, process_.Wait(absl::Seconds(60)));
  EXPECT_TRUE(WIFSIGNALED(status));
  StartProgram("");
  if (HasFatalFailure()) return;
  const auto transfers = pb::TransferService::NewStub(channel_);
  // The same request again is the same import.
  ASSERT_OK_AND_ASSIGN(pb::ImportTask task, Call(*transfers, &Transfers::StartImport, start));
  EXPECT_GE(task.done_row_count(), 25);
  pb::GetTransferRequest get;
  get.set_name(task.name());
  for (const absl::Time give_up = absl::Now() + absl::Seconds(60);
       !task.has_end_time() && absl::Now() < give_up;) {
    absl::SleepFor(absl::Milliseconds(100));
    ASSERT_OK_AND_ASSIGN(task, Call(*transfers, &Transfers::GetImport, get));
  }
  EXPECT_EQ(task.state(), pb::ImportTask::SUCCEEDED) << task.ShortDebugString();
  EXPECT_EQ(task.applications().created_count(), 3);
  EXPECT_EQ(task.servers().created_count(), kServers);
  EXPECT_EQ(task.servers().modified_count(), 0);
  pb::ListSourceServersRequest list;
  list.set_page_size(500);
  ASSERT_OK_AND_ASSIGN(const auto servers, Call(*stub_, &Stub::ListSourceServers, list));
  std::set<std::string> ids;
  for (const auto& server : servers.source_servers()) ids.insert(server.user_provided_id());
  EXPECT_EQ(servers.source_servers_size(), kServers);
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kServers));
}

TEST_F(ProgramTest, SetUpCommandsRefuseWhatWouldHurt) {
  EXPECT_EQ(Command({"ca-init", "--dir", dir_ / "ca"}), 1);  // there is one
  EXPECT_EQ(Command({"ca-issue", "--dir", dir_ / "ca", "--identity", "king/of/hearts", "--out",
                     dir_ / "x"}),
            1);
  EXPECT_EQ(Command({"ca-issue", "--dir", dir_ / "nowhere", "--identity", "service/jobs", "--out",
                     dir_ / "x"}),
            1);
  EXPECT_EQ(Command({"--listen", "127.0.0.1:0"}), 1);
  EXPECT_EQ(Command({"--help"}), 0);
}

}  // namespace
}  // namespace godwit::registry
