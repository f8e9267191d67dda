// What a gateway tells the services with each call: for whom, from where, under which request id,
// and by which rules of the life cycle; and that a request sent again is the same change.
#include <grpcpp/server_context.h>

#include "absl/strings/match.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "tests/rpc/services/gateway/gateway_fixture.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;
using ::godwit::testing::Process;
using ::godwit::testing::Program;
using ::godwit::testing::TempDir;

// Writes down what it is asked.
class RecordingServers final : public pb::SourceServerService::Service {
 public:
  grpc::Status StartTest(grpc::ServerContext* context, const pb::StartLaunchRequest* request,
                         jobs::v1::Job* response) override {
    absl::MutexLock lock(&mutex_);
    metadata_.push_back(MetadataOf(*context));
    requests_.push_back(*request);
    response->set_name("jobs/job-0123456789abcdef0");
    response->set_type(jobs::v1::Job::TEST_LAUNCH);
    return grpc::Status::OK;
  }
  std::vector<Metadata> metadata() {
    absl::MutexLock lock(&mutex_);
    return metadata_;
  }
  std::vector<pb::StartLaunchRequest> requests() {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<Metadata> metadata_;
  std::vector<pb::StartLaunchRequest> requests_;
};

std::string One(const Metadata& metadata, const std::string& name) {
  return metadata.count(name) == 1 ? metadata.find(name)->second : "";
}

TEST(OnBehalf, EachCallSaysForWhom) {
  TempDir dir;
  ::godwit::testing::TestPki pki;
  KnownKeys keys;
  RecordingServers servers;
  ASSERT_OK_AND_ASSIGN(
      const auto registry,
      rpc::Server::Start({.listen = "127.0.0.1:0", .tls = pki.Issue("service/registry")},
                         {&keys, &servers}));
  // One certificate of the installation's CA for both sides, with the address that clients use.
  ASSERT_OK(WriteFileAtomically(dir / "ca.crt", pki.ca().certificate_pem));
  ASSERT_OK(WriteFileAtomically(dir / "ca.key", pki.ca().private_key_pem));
  ASSERT_OK(RunToEnd({Program("godwit-registry"), "ca-issue", "--dir", dir.path(), "--identity",
                      "service/gateway", "--server-name=127.0.0.1", "--out", dir / "tls"},
                     dir / "issue.log")
                .status());
  const std::string endpoint = absl::StrCat("127.0.0.1:", registry->port());
  ASSERT_OK_AND_ASSIGN(
      Process gateway,
      Process::Start({.command = {Program("godwit-gateway"), "--listen=127.0.0.1:0",
                                  "--metrics-listen=", "--tls-dir", dir / "tls", "--registry",
                                  endpoint, "--replication", endpoint, "--jobs", endpoint},
                      .log = dir / "gateway.log"}));
  ASSERT_OK_AND_ASSIGN(const int port, gateway.WaitForPort());
  ASSERT_OK_AND_ASSIGN(
      const std::string log,
      RunToEnd({"/usr/bin/python3", GODWIT_SOURCE_DIR "/tests/rpc/services/gateway/again.py"},
               dir / "again.log",
               {{"GATEWAY_URL", absl::StrCat("https://127.0.0.1:", port)},
                {"GATEWAY_CA", dir / "ca.crt"},
                {"AWS_ACCESS_KEY_ID", kOperatorKey},
                {"AWS_SECRET_ACCESS_KEY", kSecret},
                {"PYTHONDONTWRITEBYTECODE", "1"}}));
  // Twice with one invocation id, once with another, once with an administrator's lenient key.
  const std::vector<Metadata> metadata = servers.metadata();
  const std::vector<pb::StartLaunchRequest> requests = servers.requests();
  ASSERT_EQ(metadata.size(), 4u) << log;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(One(metadata[i], "x-godwit-on-behalf-of"), "user/operator/ci");
    EXPECT_EQ(metadata[i].count("x-godwit-lifecycle-profile"), 0u);
  }
  EXPECT_EQ(One(metadata[3], "x-godwit-on-behalf-of"), "user/admin/alice");
  EXPECT_EQ(One(metadata[3], "x-godwit-lifecycle-profile"), "lenient");
  for (const Metadata& call : metadata) {
    EXPECT_EQ(One(call, "x-godwit-client-address"), "127.0.0.1");
    // The same id is in the answer (the script printed it) and in the gateway's log.
    const std::string id = One(call, "x-godwit-request-id");
    EXPECT_EQ(id.size(), 36u);
    EXPECT_TRUE(absl::StrContains(log, id)) << log;
    EXPECT_TRUE(absl::StrContains(gateway.Log(), absl::StrCat("\"request_id\":\"", id, "\"")));
  }
  EXPECT_EQ(requests[0].request_id(), requests[1].request_id());
  EXPECT_NE(requests[0].request_id(), requests[2].request_id());
  EXPECT_NE(requests[2].request_id(), requests[3].request_id());
  // Two keys, each asked for once: the answers are kept for a moment.
  EXPECT_EQ(keys.asked(), 2);
  EXPECT_EQ(keys.last().count("x-godwit-on-behalf-of"), 0u);
  EXPECT_FALSE(absl::StrContains(gateway.Log(), kSecret));
}

}  // namespace
}  // namespace godwit::gateway
