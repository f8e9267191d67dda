// Agent engine, coordinator, worker, registry and database as processes, and a disk of the source.
#pragma once

#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "agent/engine/engine.h"
#include "agent/tracker/ebpf_tracker.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/mini_cluster.h"
#include "tests/support/status_matchers.h"

namespace godwit::testing {

namespace pb = ::godwit::replication::v1;
using Operator = pb::ReplicationService::Stub;

inline constexpr char kServer[] = "s-0123456789abcdef0";
inline constexpr std::uint64_t kBytes = std::uint64_t{32} << 20;
inline constexpr absl::Duration kPatience = absl::Seconds(90);

inline bool Eventually(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + kPatience;
  while (absl::Now() < end) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return false;
}

// The numbers of the blocks that are not equal, for people; empty when there are none.
inline std::string DifferingBlocks(const std::string& a, const std::string& b) {
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

}  // namespace godwit::testing
