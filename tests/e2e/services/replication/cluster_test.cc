// Agent engine, coordinator, worker, registry and database as processes: points on demand, clones,
// restarts and take-over. Clones are compared with the source byte for byte.
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/engine/engine.h"
#include "agent/tracker/ebpf_tracker.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/mini_cluster.h"
#include "tests/support/status_matchers.h"

namespace godwit::testing {
namespace {

namespace pb = ::godwit::replication::v1;
using Operator = pb::ReplicationService::Stub;

constexpr char kServer[] = "s-0123456789abcdef0";
constexpr std::uint64_t kBytes = std::uint64_t{32} << 20;
constexpr absl::Duration kPatience = absl::Seconds(90);

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + kPatience;
  while (absl::Now() < end) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return false;
}

// The numbers of the blocks that are not equal, for people; empty when there are none.
std::string DifferingBlocks(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return absl::StrCat(a.size(), " and ", b.size(), " bytes");
  std::string numbers;
  for (std::size_t at = 0; at < a.size(); at += block::kBlockSize) {
    if (a.compare(at, block::kBlockSize, b, at, block::kBlockSize) != 0)
      absl::StrAppend(&numbers, at / block::kBlockSize, " ");
  }
  return numbers;
}

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(cluster_, MiniCluster::Start());
    store_ = cluster_->dir() + "/store";
    ASSERT_OK(cluster_->AddWorker("worker-1", store_));
    operator_ = pb::ReplicationService::NewStub(cluster_->Channel("replication"));
    const auto registry =
        pb::ReplicationService::NewStub(cluster_->Channel("replication", "service/registry"));
    pb::StartServerRequest start;
    start.set_source_server(Name());
    start.set_request_id(NewUuid());
    ASSERT_OK(Call(*registry, &Operator::StartServer, start));
    for (unsigned i = 0; i < 50; ++i) loop_.Write(i * 300 * 1024, 65536, i + 1);
    StartAgent();
  }
  void TearDown() override {
    stopping_ = true;
    if (agent_.joinable()) agent_.join();
    if (engine_ != nullptr) {
      engine_->Stop();
      EXPECT_OK(engine_->Detach());
    }
  }

  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request) {
    Response response;
    const absl::Status status = rpc::Retry(absl::Seconds(20), [&] {
      grpc::ClientContext context;
      rpc::SetTimeout(context, absl::Seconds(10));
      return rpc::FromGrpc((stub.*method)(&context, request, &response));
    });
    if (!status.ok()) return status;
    return response;
  }
  static std::string Name(absl::string_view suffix = "") {
    return absl::StrCat("sourceServers/", kServer, suffix);
  }
  pb::Replication Get() {
    pb::GetReplicationRequest request;
    request.set_name(Name("/replication"));
    const auto found = Call(*operator_, &Operator::GetReplication, request);
    return found.ok() ? *found : pb::Replication();
  }

  std::unique_ptr<agent::WriteCapture> StartCapture() {
    auto capture = agent::WriteCapture::Start({{device_, loop_.path()}}, 16 << 20);
    EXPECT_OK(capture);
    return capture.ok() ? *std::move(capture) : nullptr;
  }
  // Engine and heartbeats, as godwit-agent joins them.
  void StartAgent() {
    ASSERT_OK_AND_ASSIGN(freezer_, agent::Freezer::Start());
    ASSERT_OK_AND_ASSIGN(auto tracker, agent::StartEbpfTracker(device_));
    ASSERT_OK_AND_ASSIGN(auto disk, agent::SourceDisk::Open(device_.disk_id, loop_.path(), kBytes,
                                                            std::move(tracker)));
    std::vector<std::unique_ptr<agent::SourceDisk>> disks;
    disks.push_back(std::move(disk));
    const rpc::TlsMaterial tls = cluster_->pki().Issue(absl::StrCat("agent/", kServer));
    engine_ = std::make_unique<agent::Engine>(
        agent::Engine::Options{.source_server = Name(),
                               .state_path = cluster_->dir() + "/replica.json",
                               .boot_id = "this-boot",
                               .quiesce_folder = cluster_->dir() + "/quiesce.d",
                               .resume_folder = cluster_->dir() + "/resume.d"},
        std::move(disks), StartCapture(), freezer_.get(), [tls](const pb::Assignment& assignment) {
          return rpc::Dial(
              assignment.endpoint(),
              *rpc::ParsePrincipal("worker/" + assignment.worker().substr(sizeof("workers"))), tls);
        });
    engine_->Start();
    agent_ = std::thread([this] { BeatLoop(); });
  }
  void BeatLoop() {
    const auto stub = pb::AgentService::NewStub(
        cluster_->Channel("replication", absl::StrCat("agent/", kServer)));
    while (!stopping_) {
      pb::HeartbeatRequest request;
      request.set_agent_version("1");
      request.set_boot_id("this-boot");
      pb::AgentDisk* disk = request.add_disks();
      disk->set_disk_id(device_.disk_id);
      disk->set_device_name("/dev/sda");
      disk->set_size_bytes(kBytes);
      disk->set_is_boot_disk(true);
      *request.mutable_progress() = engine_->Progress();
      if (const auto report = engine_->Report()) *request.mutable_point_report() = *report;
      pb::Directive directive;
      grpc::ClientContext context;
      rpc::SetTimeout(context, absl::Seconds(5));
      if (stub->Heartbeat(&context, request, &directive).ok()) engine_->SetDirective(directive);
      absl::SleepFor(absl::Milliseconds(300));
    }
  }

  // A fresh point on demand; its clone must equal the source, on which nobody writes now.
  void ExpectFreshPointEqualsSource() {
    pb::RequestPointRequest ask;
    ask.set_parent(Name());
    ask.set_request_id(NewUuid());
    ASSERT_OK_AND_ASSIGN(pb::PointRequest asked, Call(*operator_, &Operator::RequestPoint, ask));
    pb::GetPointRequestRequest poll;
    poll.set_name(asked.name());
    ASSERT_TRUE(Eventually([&] {
      const auto answer = Call(*operator_, &Operator::GetPointRequest, poll);
      if (answer.ok()) asked = *answer;
      return asked.state() == pb::PointRequest::SUCCEEDED ||
             asked.state() == pb::PointRequest::FAILED;
    })) << asked.ShortDebugString()
        << Get().ShortDebugString();
    ASSERT_EQ(asked.state(), pb::PointRequest::SUCCEEDED) << asked.error_message();
    pb::CreateCloneRequest make;
    make.set_point(asked.point().name());
    make.set_request_id(NewUuid());
    ASSERT_OK_AND_ASSIGN(const pb::Clone clone, Call(*operator_, &Operator::CreateClone, make));
    ASSERT_EQ(clone.disks_size(), 1);
    const std::string raw = cluster_->dir() + "/clone.raw";
    ASSERT_OK_AND_ASSIGN(Process convert,
                         Process::Start({.command = {"/usr/bin/qemu-img", "convert", "-O", "raw",
                                                     clone.disks(0).path(), raw},
                                         .log = cluster_->dir() + "/convert.log"}));
    ASSERT_OK_AND_ASSIGN(const int status, convert.Wait(absl::Seconds(60)));
    ASSERT_EQ(status, 0) << convert.Log();
    ASSERT_OK_AND_ASSIGN(const std::string content, ReadFile(raw, kBytes + 1));
    EXPECT_EQ(DifferingBlocks(content, loop_.Read()), "");
    pb::DeleteCloneRequest unmake;
    unmake.set_name(clone.name());
    ASSERT_OK(Call(*operator_, &Operator::DeleteClone, unmake));
    EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(clone.disks(0).path()); }));
  }

  TempDir dir_;
  LoopDevice loop_{dir_ / "disk", kBytes};
  const agent::TrackedDevice device_{.disk_id = NewId("d-"),
                                     .major = loop_.major_number(),
                                     .first_minor = loop_.minor_number(),
                                     .size_bytes = kBytes};
  std::unique_ptr<MiniCluster> cluster_;
  std::string store_;
  std::unique_ptr<Operator> operator_;
  std::unique_ptr<agent::Freezer> freezer_;
  std::unique_ptr<agent::Engine> engine_;
  std::atomic<bool> stopping_ = false;
  std::thread agent_;
};

TEST_F(ClusterTest, PointsSurviveRestartsAndTakeOver) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  const std::int64_t generation = Get().lease_generation();
  ExpectFreshPointEqualsSource();

  // The coordinator dies: nothing moves, and it goes on where it was.
  cluster_->Get("replication").Signal(SIGKILL);
  loop_.Write(1 << 20, 65536, 77);
  ASSERT_OK(cluster_->StartService("replication"));
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().lease_generation(), generation);

  // The database is away for longer than a lease.
  ASSERT_OK(cluster_->StopPostgres("immediate"));
  loop_.Write(2 << 20, 65536, 78);
  absl::SleepFor(absl::Seconds(8));
  ASSERT_OK(cluster_->StartPostgres());
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().lease_generation(), generation);

  // The worker dies: another one on the same store takes over after its lease.
  ASSERT_OK(cluster_->AddWorker("worker-2", store_));
  cluster_->Get("worker-1").Signal(SIGKILL);
  loop_.Write(3 << 20, 65536, 79);
  const std::string second = absl::StrCat("workers/", MiniCluster::WorkerId("worker-2"));
  ASSERT_TRUE(Eventually([&] { return Get().worker() == second; })) << Get().ShortDebugString();
  EXPECT_GT(Get().lease_generation(), generation);
  ExpectFreshPointEqualsSource();
  ASSERT_OK(cluster_->StartService("worker-1"));
  loop_.Write(4 << 20, 65536, 80);
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().worker(), second);

  // A worker that is told to go hands over at once.
  ASSERT_OK(cluster_->Get("worker-2").Terminate());
  const std::string first = absl::StrCat("workers/", MiniCluster::WorkerId("worker-1"));
  ASSERT_TRUE(Eventually([&] { return Get().worker() == first; })) << Get().ShortDebugString();
  loop_.Write(5 << 20, 65536, 81);
  ExpectFreshPointEqualsSource();
}

// A worker that is stopped in the middle of its work, past its lease: another one takes over, and
// the one that wakes up changes nothing.
// As Prometheus would read it; nothing is served that docs/metrics.md does not tell of.
TEST_F(ClusterTest, MetricsSayHowReplicationStands) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  ASSERT_OK_AND_ASSIGN(const std::string docs, ReadFile(GODWIT_SOURCE_DIR "/docs/metrics.md"));
  std::map<std::string, double> values;  // by name with labels
  for (const char* service : {"registry", "replication", "worker-1"}) {
    const std::string file = cluster_->dir() + "/metrics.txt";
    ASSERT_OK_AND_ASSIGN(Process curl,
                         Process::Start({.command = {"/usr/bin/curl", "--silent", "--show-error",
                                                     "--fail", "--max-time", "10", "--output", file,
                                                     cluster_->MetricsUrl(service)},
                                         .log = cluster_->dir() + "/curl.log"}));
    ASSERT_OK_AND_ASSIGN(const int status, curl.Wait(absl::Seconds(20)));
    ASSERT_EQ(status, 0) << curl.Log();
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(file));
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      if (line[0] == '#') continue;
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(line, absl::MaxSplits(absl::ByString("} "), 1));
      double value = 0;
      const bool labels = !pair.second.empty();
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      ASSERT_TRUE(absl::SimpleAtod(labels ? pair.second : words.back(), &value)) << line;
      const std::string name = labels ? pair.first + "}" : words.front();
      values[name] += value;
      std::string family = name.substr(0, name.find('{'));
      if (absl::StartsWith(family, "godwit_rpc_seconds")) family = "godwit_rpc_seconds";
      if (absl::StartsWith(family, "exposer_")) continue;  // the library's own
      EXPECT_TRUE(absl::StrContains(docs, absl::StrCat("`", family, "`"))) << line;
    }
  }
  const auto of_server = [&](const std::string& name, const std::string& more = "") {
    const auto found =
        values.find(absl::StrCat(name, "{source_server=\"", kServer, "\"", more, "}"));
    return found == values.end() ? -1 : found->second;
  };
  EXPECT_EQ(of_server("godwit_replication_state", ",state=\"CONTINUOUS\""), 1);
  EXPECT_GE(of_server("godwit_replication_lag_seconds"), 0);
  EXPECT_LT(of_server("godwit_replication_lag_seconds"), 60);
  EXPECT_EQ(of_server("godwit_replication_disk_bytes"), static_cast<double>(kBytes));
  EXPECT_GT(of_server("godwit_replication_sent_bytes_total"), 0);
  EXPECT_GT(of_server("godwit_group_received_bytes_total"), 0);
  EXPECT_EQ(of_server("godwit_group_connected"), 1);
  EXPECT_GT(values["godwit_rpc_calls_total{code=\"0\",method=\"replication.GetReplication\"}"], 0);
}

TEST_F(ClusterTest, AStoppedWorkerIsFencedOff) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  ASSERT_OK(cluster_->AddWorker("worker-2", store_));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (unsigned i = 0; !done; ++i) {
      loop_.Write((i * 37 % 480) * 65536, 32768, i);
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
  absl::SleepFor(absl::Seconds(1));
  cluster_->Get("worker-1").Signal(SIGSTOP);
  const std::string second = absl::StrCat("workers/", MiniCluster::WorkerId("worker-2"));
  EXPECT_TRUE(Eventually([&] { return Get().worker() == second; })) << Get().ShortDebugString();
  absl::SleepFor(absl::Seconds(2));
  cluster_->Get("worker-1").Signal(SIGCONT);
  absl::SleepFor(absl::Seconds(3));
  done = true;
  writer.join();
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().worker(), second);
}

}  // namespace
}  // namespace godwit::testing
