// The agent's service as a process, enrolled in a whole installation, on a machine whose disks a
// test adds, resizes and takes away.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "agent/commands/service.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/pins.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/signals.h"
#include "services/common/rpc/serve.h"
#include "tests/e2e/agent/device_kinds.h"
#include "tests/support/mini_cluster.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {

namespace pb = ::godwit::replication::v1;
namespace registry_pb = ::godwit::registry::v1;
using ::godwit::testing::BlockDevice;
using ::godwit::testing::DeviceKind;
using ::godwit::testing::MiniCluster;
using ::godwit::testing::Process;
using ::godwit::testing::TempDir;

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

inline Places PlacesIn(const std::string& dir) {
  return {.sys = dir + "/sys",
          .dev = dir + "/dev",
          .state_folder = dir + "/state",
          .run_folder = dir + "/run"};
}

class DisksE2eTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"sys/block", "dev", "state"}) ASSERT_OK(MakeDirs(dir_ / folder));
    ASSERT_OK_AND_ASSIGN(cluster_, MiniCluster::Start());
    ASSERT_OK(cluster_->AddWorker("worker-1", cluster_->dir() + "/store"));
    operator_ = pb::ReplicationService::NewStub(cluster_->Channel("replication"));
    Add("vda", 24 * kMiB);
    Add("vdb", 8 * kMiB);
    Enroll();
  }
  void TearDown() override {
    if (service_.Running()) EXPECT_OK(service_.Terminate().status());
    const auto installation = LoadInstallation(dir_ / "state");
    if (!installation.ok()) return;
    for (const KnownDisk& disk : installation->disks) EXPECT_OK(RemovePins(disk.disk_id));
  }

  // A new disk, full of data, that appears on the machine as `name`.
  BlockDevice& Add(const std::string& name, std::uint64_t bytes,
                   DeviceKind kind = DeviceKind::kLoop) {
    auto& loop = loops_[name] = testing::MakeDevice(kind, dir_ / ("file-" + name), bytes);
    Fill(*loop, 0);
    std::filesystem::create_symlink(loop->path(), dir_ / ("dev/" + name));
    std::filesystem::create_symlink("/sys/block" + loop->path().substr(4),
                                    dir_ / ("sys/block/" + name));
    return *loop;
  }
  static void Fill(BlockDevice& loop, std::uint64_t from) {
    static unsigned seed = 1;
    loop.Write(from, loop.bytes() - from, seed++);
  }
  template <typename Stub, typename Request, typename Response>
  Response Call(const std::unique_ptr<Stub>& stub,
                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) {
    Response response;
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    EXPECT_OK(rpc::FromGrpc((stub.get()->*method)(&context, request, &response)));
    return response;
  }
  void Enroll() {
    registry_pb::CreateTokenRequest make;
    make.set_request_id(NewUuid());
    make.set_max_uses(1);
    const auto token = Call(registry_pb::TokenService::NewStub(cluster_->Channel("registry")),
                            &registry_pb::TokenService::Stub::CreateToken, make);
    const rpc::KeyAndCsr key = *rpc::MakeKeyAndCsr("agent");
    registry_pb::EnrollRequest request;
    request.set_token(token.secret());
    request.set_csr_pem(key.csr_pem);
    request.set_request_id(NewUuid());
    *request.mutable_properties() = Discover({});
    const auto enrolled =
        Call(registry_pb::EnrollmentService::NewStub(rpc::DialWithoutCertificate(
                 cluster_->EnrollEndpoint(), *rpc::ParsePrincipal("service/registry"),
                 cluster_->pki().ca().certificate_pem)),
             &registry_pb::EnrollmentService::Stub::Enroll, request);
    server_ = enrolled.source_server();
    ASSERT_OK(SaveTls({.certificate_chain = enrolled.certificate_chain_pem(),
                       .private_key = key.private_key_pem,
                       .ca = enrolled.ca_pem()},
                      dir_ / "state"));
    installation_ = {.server = server_.substr(server_.find('/') + 1),
                     .registry = cluster_->Endpoint("registry"),
                     .replication = cluster_->Endpoint("replication"),
                     .disk_seed = NewUuid(),
                     .all_disks = true};
  }
  // The disks that were added so far are chosen; of kinds that must be named, those in `named`.
  void Install(const std::vector<std::string>& named = {}) {
    const Places places = PlacesIn(dir_.path());
    ASSERT_OK_AND_ASSIGN(const auto found, FindDisks(places.sys, "", places.dev, named));
    for (const FoundDisk& disk : found)
      installation_.disk_ids.push_back(DiskId(installation_.disk_seed, disk));
    if (!named.empty()) installation_.disks = PlanDisks(installation_, found).known;
    ASSERT_OK(SaveInstallation(installation_, places.state_folder));
  }
  void StartAgent() {
    if (!std::filesystem::exists(dir_ / "state/installation.json")) Install();
    ASSERT_OK_AND_ASSIGN(
        service_,
        Process::Start({.command = {std::filesystem::read_symlink("/proc/self/exe").string(),
                                    "--gtest_filter=ServiceProcess.Child"},
                        .log = dir_ / "agent.log",
                        .environment = {{"GODWIT_TEST_SERVICE", dir_.path()}}}));
    AwaitState(pb::Replication::CONTINUOUS);
  }

  pb::Replication Get() {
    pb::GetReplicationRequest request;
    request.set_name(server_ + "/replication");
    return Call(operator_, &pb::ReplicationService::Stub::GetReplication, request);
  }
  bool Eventually(const std::function<bool()>& condition, absl::Duration patience) {
    for (const absl::Time end = absl::Now() + patience; absl::Now() < end;) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    ADD_FAILURE() << Get().ShortDebugString() << "\n" << service_.Log();
    return false;
  }
  void AwaitState(pb::Replication::State state) {
    ASSERT_TRUE(Eventually([&] { return Get().state() == state; }, absl::Seconds(60)));
  }
  // What the coordinator knows: bytes by name of the disk.
  std::map<std::string, std::uint64_t> Replicated() {
    std::map<std::string, std::uint64_t> out;
    const pb::Replication replication = Get();
    for (const auto& disk : replication.disks())
      out[NameOf(disk.device_name())] = static_cast<std::uint64_t>(disk.total_bytes());
    return out;
  }
  std::map<std::string, std::uint64_t> Registered() {
    registry_pb::GetSourceServerRequest request;
    request.set_name(server_);
    const auto server =
        Call(registry_pb::SourceServerService::NewStub(cluster_->Channel("registry")),
             &registry_pb::SourceServerService::Stub::GetSourceServer, request);
    std::map<std::string, std::uint64_t> out;
    for (const auto& disk : server.properties().disks())
      out[NameOf(disk.device_name())] = static_cast<std::uint64_t>(disk.size_bytes());
    return out;
  }
  static std::string NameOf(const std::string& device) {
    return device.substr(device.rfind('/') + 1);
  }
  // What the machine has.
  std::map<std::string, std::uint64_t> Sizes() {
    std::map<std::string, std::uint64_t> out;
    for (const auto& [name, loop] : loops_) out[name] = loop->bytes();
    return out;
  }
  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> out;
    for (const auto& [name, loop] : loops_) out[name] = loop->Read();
    return out;
  }
  nlohmann::json Status() {
    const auto text = ReadFile(dir_ / "run/status.json");
    return nlohmann::json::parse(text.ok() ? *text : "{}", nullptr, false);
  }
  nlohmann::json StatusOf(const std::string& name) {
    const nlohmann::json status = Status();
    for (const auto& disk : status.value("disks", nlohmann::json::array())) {
      if (NameOf(disk["device"].get<std::string>()) == name) return disk;
    }
    return nlohmann::json::object();
  }
  std::uint64_t SentBytes() {
    const nlohmann::json progress = Status().value("progress", nlohmann::json::object());
    return std::stoull(progress.value("sentBytes", "0"));
  }

  // A fresh point; its name.
  std::string NewPoint() {
    pb::RequestPointRequest ask;
    ask.set_parent(server_);
    ask.set_request_id(NewUuid());
    pb::PointRequest asked = Call(operator_, &pb::ReplicationService::Stub::RequestPoint, ask);
    pb::GetPointRequestRequest poll;
    poll.set_name(asked.name());
    Eventually(
        [&] {
          asked = Call(operator_, &pb::ReplicationService::Stub::GetPointRequest, poll);
          return asked.state() == pb::PointRequest::SUCCEEDED ||
                 asked.state() == pb::PointRequest::FAILED;
        },
        absl::Seconds(60));
    EXPECT_EQ(asked.state(), pb::PointRequest::SUCCEEDED) << asked.error_message();
    return asked.point().name();
  }
  void ExpectPointHolds(const std::string& point,
                        const std::map<std::string, std::string>& contents) {
    pb::CreateCloneRequest make;
    make.set_point(point);
    make.set_request_id(NewUuid());
    const pb::Clone clone = Call(operator_, &pb::ReplicationService::Stub::CreateClone, make);
    EXPECT_EQ(clone.disks_size(), static_cast<int>(contents.size())) << clone.DebugString();
    for (const auto& disk : clone.disks()) {
      const std::string raw = dir_ / "clone.raw", name = NameOf(disk.device_name());
      ASSERT_OK_AND_ASSIGN(Process convert,
                           Process::Start({.command = {"/usr/bin/qemu-img", "convert", "-O", "raw",
                                                       disk.path(), raw},
                                           .log = dir_ / "convert.log"}));
      ASSERT_OK_AND_ASSIGN(const int status, convert.Wait(absl::Seconds(60)));
      ASSERT_EQ(status, 0) << convert.Log();
      ASSERT_OK_AND_ASSIGN(const std::string content, ReadFile(raw, 200 * kMiB));
      ASSERT_TRUE(contents.contains(name)) << name;
      EXPECT_TRUE(content == contents.at(name)) << name << ": " << content.size() << " bytes";
    }
    pb::DeleteCloneRequest unmake;
    unmake.set_name(clone.name());
    Call(operator_, &pb::ReplicationService::Stub::DeleteClone, unmake);
  }

  TempDir dir_;
  std::map<std::string, std::unique_ptr<BlockDevice>> loops_;
  std::unique_ptr<MiniCluster> cluster_;
  std::unique_ptr<pb::ReplicationService::Stub> operator_;
  std::string server_;  // name
  Installation installation_;
  Process service_;
};

}  // namespace godwit::agent
