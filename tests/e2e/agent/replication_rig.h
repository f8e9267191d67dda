// Agent engine, block stream, worker and store together, on the real block devices of a test.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/engine/engine.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/scan_tracker.h"
#include "agent/tracker/tracefs_tracker.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/channel.h"
#include "services/replication/worker/rpc/block_stream_service.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/e2e/agent/device_kinds.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::agent {

namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using ::godwit::testing::BlockDevice;
using ::godwit::testing::DeviceKind;
using ::godwit::testing::LoopDevice;
using ::godwit::testing::Process;
using ::godwit::testing::TempDir;
using ::godwit::testing::TestPki;

inline constexpr char kServer[] = "s-0123456789abcdef0";
inline constexpr char kWorker[] = "w-0123456789abcdef0";
inline constexpr char kClone[] = "c-0123456789abcdef0";

// A disk of the source, as the agent knows it.
struct SourceLoop {
  SourceLoop(DeviceKind kind, const std::string& file, std::uint64_t bytes)
      : owned(testing::MakeDevice(kind, file, bytes)),
        loop(*owned),
        tracked{.disk_id = NewId("d-"),
                .major = loop.major_number(),
                .first_minor = loop.minor_number(),
                .size_bytes = bytes} {}
  std::string device_number() const {
    return absl::StrCat(tracked.major, ":", tracked.first_minor);
  }
  const std::unique_ptr<BlockDevice> owned;
  BlockDevice& loop;
  const TrackedDevice tracked;
};

class ReplicationRig : public ::testing::Test {
 protected:
  // Before SetUp; the order is the agent's.
  SourceLoop& AddDisk(const std::string& name, std::uint64_t bytes,
                      DeviceKind kind = DeviceKind::kLoop) {
    disks_.push_back(std::make_unique<SourceLoop>(kind, dir_ / name, bytes));
    return *disks_.back();
  }
  virtual absl::StatusOr<std::unique_ptr<store::Store>> MakeStore() {
    return store::OpenFileStore(dir_ / "store");
  }
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(store_, MakeStore());
    ASSERT_OK_AND_ASSIGN(freezer_, Freezer::Start());
    StartWorker(1);
  }
  void TearDown() override {
    StopAgent();
    StopWorker();
    for (const auto& disk : disks_) {
      auto tracker = StartEbpfTracker(disk->tracked);
      if (tracker.ok()) EXPECT_OK((*tracker)->Detach());
    }
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
                                             .tls = pki_.Issue(absl::StrCat("worker/", kWorker)),
                                             .traffic = rpc::Traffic::kData},
                                            {service_.get()}));
    port_ = server_->port();
  }
  void Renew() {
    std::vector<store::DiskSpec> specs;
    for (const auto& disk : disks_) {
      specs.push_back({.disk_id = disk->tracked.disk_id,
                       .device_name = absl::StrCat("/dev/disk", specs.size()),
                       .size_bytes = disk->tracked.size_bytes,
                       .is_boot_disk = specs.empty()});
    }
    leases_->Renew(RealClock().Monotonic(), absl::Minutes(10),
                   {{kServer, {.generation = generation_, .disks = specs}}});
  }
  void StopWorker() {
    if (host_ != nullptr) host_->CloseAll();
    server_.reset();
    service_.reset();
    host_.reset();
  }

  std::unique_ptr<WriteCapture> StartCapture() {
    if (scan_ || freeze_) return nullptr;
    std::vector<WriteCapture::Device> devices;
    for (const auto& disk : disks_) devices.push_back({disk->tracked, disk->loop.path()});
    auto capture = WriteCapture::Start(devices, 16 << 20, records_);
    if (!absl::IsNotFound(capture.status())) EXPECT_OK(capture);
    return capture.ok() ? *std::move(capture) : nullptr;
  }
  void StartAgent() {
    std::vector<std::unique_ptr<SourceDisk>> disks;
    for (const auto& disk : disks_) {
      const std::string& path = disk->loop.path();
      const std::uint64_t bytes = disk->tracked.size_bytes;
      ASSERT_OK_AND_ASSIGN(
          auto tracker, scan_ ? StartScanTracker(path, bytes, "the test wants it", absl::Seconds(1))
                        : tracefs_ ? StartTracefsTracker(disk->tracked, "the test wants it")
                                   : StartEbpfTracker(disk->tracked));
      resumed_ = tracker->Resumed();
      ASSERT_OK_AND_ASSIGN(disks.emplace_back(), SourceDisk::Open(disk->tracked.disk_id, path,
                                                                  bytes, std::move(tracker)));
    }
    engine_ = std::make_unique<Engine>(
        Engine::Options{.source_server = absl::StrCat("sourceServers/", kServer),
                        .state_path = dir_ / "replica.json",
                        .boot_id = boot_id_,
                        .quiesce_folder = dir_ / "quiesce.d",
                        .resume_folder = dir_ / "resume.d",
                        .devices = devices_,
                        .max_redo_bytes = max_redo_bytes_,
                        .convergence = convergence_,
                        .root = root_},
        std::move(disks), StartCapture(), freezer_.get(), [this](const pb::Assignment& assignment) {
          return rpc::Dial(assignment.endpoint(),
                           *rpc::ParsePrincipal(absl::StrCat("worker/", kWorker)),
                           pki_.Issue(absl::StrCat("agent/", kServer)), rpc::Traffic::kData);
        });
    Direct("");
    engine_->Start();
  }
  void StopAgent() {
    if (engine_ != nullptr) engine_->Stop();
    engine_.reset();
  }
  pb::Directive MakeDirective() const {
    pb::Directive directive;
    directive.set_action(pb::Directive::REPLICATE);
    directive.mutable_assignment()->set_worker(absl::StrCat("workers/", kWorker));
    directive.mutable_assignment()->set_endpoint(
        absl::StrCat("127.0.0.1:", agent_port_ > 0 ? agent_port_ : port_));
    directive.mutable_assignment()->set_lease_generation(generation_);
    *directive.mutable_settings() = settings_;
    return directive;
  }
  void Direct(const std::string& request_id, int cut_seconds = 0) {
    pb::Directive directive = MakeDirective();
    if (cut_seconds > 0)
      directive.mutable_settings()->mutable_cut_interval()->set_seconds(cut_seconds);
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
  // The disks of a point as raw files, in the order of the agent.
  void ExportPoint(std::int64_t epoch, const std::vector<std::string>& files) {
    ASSERT_OK_AND_ASSIGN(const auto hosted, host_->Open(kServer, generation_));
    ASSERT_OK_AND_ASSIGN(const auto clone, hosted->group->CreateClone(kClone, epoch));
    ASSERT_EQ(clone.size(), files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      ASSERT_OK_AND_ASSIGN(Process convert,
                           Process::Start({.command = {"/usr/bin/qemu-img", "convert", "-O", "raw",
                                                       clone[i].path, files[i]},
                                           .log = dir_ / "convert.log"}));
      ASSERT_OK_AND_ASSIGN(const int status, convert.Wait(absl::Seconds(60)));
      ASSERT_EQ(status, 0) << convert.Log();
    }
    ASSERT_OK(hosted->group->DeleteClone(kClone));
  }

  TempDir dir_;
  std::vector<std::unique_ptr<SourceLoop>> disks_;
  TestPki pki_;
  std::unique_ptr<Freezer> freezer_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<worker::LeaseTable> leases_;
  std::unique_ptr<worker::GroupHost> host_;
  worker::BlockStreamService::Options worker_options_;  // of the next StartWorker
  std::unique_ptr<worker::BlockStreamService> service_;
  std::unique_ptr<rpc::Server> server_;
  int port_ = 0;
  int agent_port_ = 0;  // where the agent reaches the worker, when it is another
  std::int64_t generation_ = 0;
  bool resumed_ = false, scan_ = false, tracefs_ = false, freeze_ = false;
  std::optional<WriteCapture::Records> records_;
  std::vector<std::string> devices_;  // of file systems to ask for unused space, and to freeze
  std::int64_t max_redo_bytes_ = std::int64_t{64} << 20;
  Convergence::Options convergence_;
  std::string root_;                   // of the machine; "" is that of the tests
  pb::AgentSettings settings_;         // of the next Direct
  std::string boot_id_ = "this-boot";  // of the next StartAgent
  std::unique_ptr<Engine> engine_;
  absl::Mutex mutex_;
  std::vector<store::PointFacts> points_;
};

}  // namespace godwit::agent
