// Agent engine, block stream, worker and store together, on a real device. Every test ends in a
// byte-for-byte comparison.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/engine/engine.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/scan_tracker.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/channel.h"
#include "services/replication/worker/rpc/block_stream_service.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/e2e/agent/loop_device.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::agent {

namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using ::godwit::testing::LoopDevice;
using ::godwit::testing::Process;
using ::godwit::testing::TempDir;
using ::godwit::testing::TestPki;

inline constexpr char kServer[] = "s-0123456789abcdef0";
inline constexpr char kWorker[] = "w-0123456789abcdef0";
inline constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;

class ReplicationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(store_, store::OpenFileStore(dir_ / "store"));
    ASSERT_OK_AND_ASSIGN(freezer_, Freezer::Start());
    StartWorker(1);
    std::mt19937 random(7);
    for (int i = 0; i < 200; ++i)
      loop_.Write(random() % (kBytes / 4096 - 1) * 4096, 4096, random());
  }
  void TearDown() override {
    StopAgent();
    StopWorker();
    auto tracker = StartEbpfTracker(device_);
    if (tracker.ok()) EXPECT_OK((*tracker)->Detach());
  }

  void StartWorker(std::int64_t generation) {
    generation_ = generation;
    leases_ = std::make_unique<worker::LeaseTable>(RealClock());
    Renew();
    host_ = std::make_unique<worker::GroupHost>(*store_, *leases_);
    service_ = std::make_unique<worker::BlockStreamService>(
        *host_, *leases_, worker_options_,
        [this](const std::string&, std::int64_t, const store::PointFacts& facts) {
          absl::MutexLock lock(&mutex_);
          points_.push_back(facts);
        });
    ASSERT_OK_AND_ASSIGN(server_,
                         rpc::Server::Start({.listen = absl::StrCat("127.0.0.1:", port_),
                                             .tls = pki_.Issue(absl::StrCat("worker/", kWorker))},
                                            {service_.get()}));
    port_ = server_->port();
  }
  void Renew() {
    leases_->Renew(RealClock().Monotonic(), absl::Minutes(10),
                   {{kServer,
                     {.generation = generation_,
                      .disks = {{.disk_id = device_.disk_id,
                                 .device_name = "/dev/sda",
                                 .size_bytes = kBytes,
                                 .is_boot_disk = true}}}}});
  }
  void StopWorker() {
    if (host_ != nullptr) host_->CloseAll();
    server_.reset();
    service_.reset();
    host_.reset();
  }

  std::unique_ptr<WriteCapture> StartCapture() {
    if (scan_ || freeze_) return nullptr;
    auto capture = WriteCapture::Start({{device_, loop_.path()}}, 16 << 20);
    if (!absl::IsNotFound(capture.status())) EXPECT_OK(capture);
    return capture.ok() ? *std::move(capture) : nullptr;
  }
  void StartAgent() {
    ASSERT_OK_AND_ASSIGN(
        auto tracker,
        scan_ ? StartScanTracker(loop_.path(), kBytes, "the test wants it", absl::Seconds(1))
              : StartEbpfTracker(device_));
    resumed_ = tracker->Resumed();
    ASSERT_OK_AND_ASSIGN(
        auto disk, SourceDisk::Open(device_.disk_id, loop_.path(), kBytes, std::move(tracker)));
    std::vector<std::unique_ptr<SourceDisk>> disks;
    disks.push_back(std::move(disk));
    engine_ = std::make_unique<Engine>(
        Engine::Options{.source_server = absl::StrCat("sourceServers/", kServer),
                        .state_path = dir_ / "replica.json",
                        .boot_id = "this-boot",
                        .quiesce_folder = dir_ / "quiesce.d",
                        .resume_folder = dir_ / "resume.d",
                        .devices = devices_},
        std::move(disks), StartCapture(), freezer_.get(), [this](const pb::Assignment& assignment) {
          return rpc::Dial(assignment.endpoint(),
                           *rpc::ParsePrincipal(absl::StrCat("worker/", kWorker)),
                           pki_.Issue(absl::StrCat("agent/", kServer)));
        });
    Direct("");
    engine_->Start();
  }
  void StopAgent() {
    if (engine_ != nullptr) engine_->Stop();
    engine_.reset();
  }
  void Direct(const std::string& request_id, int cut_seconds = 1) {
    pb::Directive directive;
    directive.set_action(pb::Directive::REPLICATE);
    directive.mutable_assignment()->set_worker(absl::StrCat("workers/", kWorker));
    directive.mutable_assignment()->set_endpoint(absl::StrCat("127.0.0.1:", port_));
    directive.mutable_assignment()->set_lease_generation(generation_);
    directive.mutable_settings()->mutable_cut_interval()->set_seconds(cut_seconds);
    directive.mutable_settings()->MergeFrom(settings_);
    if (!request_id.empty()) {
      directive.mutable_point_order()->set_request_id(request_id);
      directive.mutable_point_order()->set_quiesce(true);
    }
    engine_->SetDirective(directive);
  }

  // Waits for a point of that request (any, when empty) that is newer than `after`; its epoch.
  std::int64_t AwaitPoint(const std::string& request_id, std::int64_t after = 0) {
    for (int i = 0; i < 600; ++i) {
      {
        absl::MutexLock lock(&mutex_);
        for (const store::PointFacts& point : points_) {
          if (point.epoch > after && (request_id.empty() || point.request_id == request_id))
            return point.epoch;
        }
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    ADD_FAILURE() << "no point: " << engine_->Progress().ShortDebugString();
    return 0;
  }
  // A point of what the device is now (nobody writes), compared with the device.
  void ExpectReplicaEqualsSource() {
    const std::string request = NewUuid();
    Direct(request);
    const std::int64_t epoch = AwaitPoint(request);
    Direct("");
    ExpectPointEquals(epoch, loop_.Read());
  }
  void ExpectPointEquals(std::int64_t epoch, const std::string& content) {
    std::string bytes;
    ReadPoint(epoch, &bytes);
    EXPECT_TRUE(bytes == content);
  }
  // Also leaves it in dir_/clone.raw.
  void ReadPoint(std::int64_t epoch, std::string* content) {
    ASSERT_OK_AND_ASSIGN(const auto hosted, host_->Open(kServer, generation_));
    ASSERT_OK_AND_ASSIGN(const auto clone,
                         hosted->group->CreateClone("c-0123456789abcdef0", epoch));
    const std::string raw = dir_ / "clone.raw";
    ASSERT_OK_AND_ASSIGN(Process convert,
                         Process::Start({.command = {"/usr/bin/qemu-img", "convert", "-O", "raw",
                                                     clone[0].path, raw},
                                         .log = dir_ / "convert.log"}));
    ASSERT_OK_AND_ASSIGN(const int status, convert.Wait(absl::Seconds(60)));
    ASSERT_EQ(status, 0) << convert.Log();
    ASSERT_OK_AND_ASSIGN(*content, ReadFile(raw, kBytes + 1));
    ASSERT_OK(hosted->group->DeleteClone("c-0123456789abcdef0"));
  }
  void Churn(unsigned seed, int writes) {
    std::mt19937 random(seed);
    for (int i = 0; i < writes; ++i)
      loop_.Write(random() % (kBytes / 512 - 64) * 512, 512 * (1 + random() % 64), random());
  }

  TempDir dir_;
  LoopDevice loop_{dir_ / "disk", kBytes};
  const TrackedDevice device_{.disk_id = NewId("d-"),
                              .major = loop_.major_number(),
                              .first_minor = loop_.minor_number(),
                              .size_bytes = kBytes};
  TestPki pki_;
  std::unique_ptr<Freezer> freezer_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<worker::LeaseTable> leases_;
  std::unique_ptr<worker::GroupHost> host_;
  worker::BlockStreamService::Options worker_options_;  // of the next StartWorker
  std::unique_ptr<worker::BlockStreamService> service_;
  std::unique_ptr<rpc::Server> server_;
  int port_ = 0;
  std::int64_t generation_ = 0;
  bool resumed_ = false, scan_ = false, freeze_ = false;
  std::vector<std::string> devices_;  // of file systems to freeze
  pb::AgentSettings settings_;        // of the next Direct
  std::unique_ptr<Engine> engine_;
  absl::Mutex mutex_;
  std::vector<store::PointFacts> points_;
};

}  // namespace godwit::agent
