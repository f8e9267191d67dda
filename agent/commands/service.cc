#include "agent/commands/service.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "agent/state/replica_state.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/scan_tracker.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "services/common/base/json_log.h"
#include "services/common/base/signals.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/serve.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
namespace registry_pb = ::godwit::registry::v1;
using google::protobuf::util::TimeUtil;

namespace {

constexpr char kVersion[] = "0.1.0";
// Captured writes that wait to be read.
constexpr std::size_t kCaptureRingBytes = std::size_t{32} << 20;
constexpr absl::Duration kDefaultInterval = absl::Seconds(1);
constexpr absl::Duration kMaxInterval = absl::Seconds(60);
constexpr absl::Duration kRenewalCheck = absl::Minutes(1);
constexpr absl::Duration kPropertiesInterval = absl::Hours(1);

}  // namespace

Service::Service(Installation installation, rpc::TlsMaterial tls, std::unique_ptr<Freezer> freezer)
    : installation_(std::move(installation)), freezer_(std::move(freezer)), tls_(std::move(tls)) {
  coordinator_ =
      rpc::Dial(installation_.replication, *rpc::ParsePrincipal("service/replication"), Tls());
  registry_ = rpc::Dial(installation_.registry, *rpc::ParsePrincipal("service/registry"), Tls());
}

rpc::TlsMaterial Service::Tls() {
  absl::MutexLock lock(&mutex_);
  return tls_;
}

absl::Status Service::StartEngine() {
  if (engine_ != nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(boot_id_, BootId());
  ASSIGN_OR_RETURN(const std::string mountinfo, ReadFile("/proc/self/mountinfo"));
  ASSIGN_OR_RETURN(const std::vector<FoundDisk> found, FindDisks("/sys", mountinfo));
  disks_.clear();
  std::vector<std::unique_ptr<SourceDisk>> disks;
  std::vector<WriteCapture::Device> captured;
  Engine::Options options{.source_server = absl::StrCat("sourceServers/", installation_.server),
                          .state_path = absl::StrCat(kRunFolder, "/replica.json"),
                          .boot_id = boot_id_};
  RETURN_IF_ERROR(MakeDirs(kRunFolder, 0700));
  for (const FoundDisk& disk : found) {
    ReportedDisk report{.disk = disk, .disk_id = DiskId(installation_.disk_seed, disk)};
    report.replicated = installation_.disk_ids.empty() ||
                        std::find(installation_.disk_ids.begin(), installation_.disk_ids.end(),
                                  report.disk_id) != installation_.disk_ids.end();
    if (report.replicated) {
      const TrackedDevice device{.disk_id = report.disk_id,
                                 .major = disk.major,
                                 .first_minor = disk.minor,
                                 .size_bytes = disk.size_bytes};
      auto tracker = StartEbpfTracker(device);
      if (tracker.ok()) {
        captured.push_back({device, disk.device_name});
      } else {
        tracker =
            StartScanTracker(disk.device_name, disk.size_bytes,
                             absl::StrCat("ebpf does not work here: ", tracker.status().message()));
      }
      RETURN_IF_ERROR(tracker);
      report.tracker = (*tracker)->Describe();
      ASSIGN_OR_RETURN(auto source, SourceDisk::Open(report.disk_id, disk.device_name,
                                                     disk.size_bytes, *std::move(tracker)));
      disks.push_back(std::move(source));
      options.devices.insert(options.devices.end(), disk.devices.begin(), disk.devices.end());
      Log(Severity::kInfo, "tracking", {{"disk", disk.device_name}, {"tracker", report.tracker}});
    }
    disks_.push_back(std::move(report));
  }
  if (disks.size() < std::max<std::size_t>(1, installation_.disk_ids.size())) {
    return absl::FailedPreconditionError(
        "a disk that was chosen at installation is not there any more: uninstall and install the "
        "agent again");
  }
  std::unique_ptr<WriteCapture> capture;
  if (captured.size() == disks.size()) {
    auto started = WriteCapture::Start(captured, kCaptureRingBytes);
    if (started.ok()) {
      capture = *std::move(started);
    } else {
      Log(Severity::kWarning, "points need a freeze of the file systems here",
          {{"reason", started.status().ToString()}});
    }
  }
  engine_ = std::make_unique<Engine>(
      std::move(options), std::move(disks), std::move(capture), freezer_.get(),
      [this](const pb::Assignment& assignment) {
        const std::string worker = assignment.worker().substr(assignment.worker().find('/') + 1);
        const auto peer = rpc::ParsePrincipal(absl::StrCat("worker/", worker));
        return rpc::Dial(assignment.endpoint(), peer.ok() ? *peer : rpc::Identity{}, Tls());
      });
  engine_->Start();
  return absl::OkStatus();
}

void Service::StopEngine(bool detach) {
  if (engine_ == nullptr) return;
  engine_->Stop();
  if (detach) {
    if (const absl::Status status = engine_->Detach(); !status.ok()) {
      Log(Severity::kWarning, "change tracking was not removed cleanly",
          {{"error", status.ToString()}});
    }
  }
  engine_.reset();
}

absl::StatusOr<pb::Directive> Service::Heartbeat(bool released) {
  pb::HeartbeatRequest request;
  for (const ReportedDisk& disk : disks_) {
    if (!disk.replicated) continue;
    pb::AgentDisk* out = request.add_disks();
    out->set_disk_id(disk.disk_id);
    out->set_device_name(disk.disk.device_name);
    out->set_size_bytes(static_cast<std::int64_t>(disk.disk.size_bytes));
    out->set_is_boot_disk(disk.disk.is_boot_disk);
    out->set_tracker(disk.tracker);
  }
  if (engine_ != nullptr) {
    *request.mutable_progress() = engine_->Progress();
    if (const auto report = engine_->Report(); report) *request.mutable_point_report() = *report;
  }
  request.set_agent_version(kVersion);
  request.set_boot_id(boot_id_);
  request.set_released(released);
  const auto stub = pb::AgentService::NewStub(coordinator_);
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(15));
  pb::Directive directive;
  RETURN_IF_ERROR(rpc::FromGrpc(stub->Heartbeat(&context, request, &directive)));
  return directive;
}

absl::Status Service::Obey(const pb::Directive& directive) {
  if (directive.action() != directive_.action()) {
    Log(Severity::kInfo, "directive", {{"action", pb::Directive::Action_Name(directive.action())}});
  }
  directive_ = directive;
  if (directive.action() == pb::Directive::STOP) {
    // Tracking ends: the next start compares or sends everything.
    StopEngine(/*detach=*/true);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(StartEngine());
  engine_->SetDirective(directive);
  return absl::OkStatus();
}

void Service::RenewWhenDue() {
  if (absl::Now() < next_renewal_check_) return;
  next_renewal_check_ = absl::Now() + kRenewalCheck;
  const absl::StatusOr<absl::Time> end = rpc::NotAfter(Tls().certificate_chain);
  // A day's certificate is renewed after 16 hours.
  if (end.ok() && *end - absl::Now() > absl::Hours(8)) return;
  const auto renew = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const rpc::KeyAndCsr key, rpc::MakeKeyAndCsr("godwit-agent"));
    registry_pb::RenewRequest request;
    request.set_csr_pem(key.csr_pem);
    request.set_certificate_generation(installation_.certificate_generation);
    registry_pb::RenewResponse response;
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    RETURN_IF_ERROR(rpc::FromGrpc(
        registry_pb::EnrollmentService::NewStub(registry_)->Renew(&context, request, &response)));
    const rpc::TlsMaterial tls{.certificate_chain = response.certificate_chain_pem(),
                               .private_key = key.private_key_pem,
                               .ca = response.ca_pem()};
    RETURN_IF_ERROR(SaveTls(tls));
    installation_.certificate_generation = response.certificate_generation();
    if (!response.endpoints().registry().empty())
      installation_.registry = response.endpoints().registry();
    if (!response.endpoints().replication().empty()) {
      installation_.replication = response.endpoints().replication();
    }
    RETURN_IF_ERROR(SaveInstallation(installation_));
    {
      absl::MutexLock lock(&mutex_);
      tls_ = tls;
    }
    coordinator_ =
        rpc::Dial(installation_.replication, *rpc::ParsePrincipal("service/replication"), tls);
    registry_ = rpc::Dial(installation_.registry, *rpc::ParsePrincipal("service/registry"), tls);
    return absl::OkStatus();
  };
  const absl::Status status = renew();
  Log(status.ok() ? Severity::kInfo : Severity::kWarning,
      status.ok() ? "certificate renewed" : "certificate not renewed",
      {{"error", std::string(status.message())}});
}

void Service::ReportProperties() {
  if (absl::Now() < next_properties_) return;
  registry_pb::UpdatePropertiesRequest request;
  *request.mutable_properties() = Discover(disks_);
  registry_pb::UpdatePropertiesResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  const absl::Status status =
      rpc::FromGrpc(registry_pb::EnrollmentService::NewStub(registry_)->UpdateProperties(
          &context, request, &response));
  next_properties_ = absl::Now() + (status.ok() ? kPropertiesInterval : absl::Minutes(1));
  if (!status.ok())
    Log(Severity::kWarning, "properties not reported", {{"error", status.ToString()}});
}

void Service::WriteStatus(const absl::Status& heartbeat) {
  nlohmann::json disks = nlohmann::json::array();
  for (const ReportedDisk& disk : disks_) {
    disks.push_back({{"disk_id", disk.disk_id},
                     {"device", disk.disk.device_name},
                     {"bytes", disk.disk.size_bytes},
                     {"replicated", disk.replicated},
                     {"tracker", disk.tracker}});
  }
  nlohmann::json status = {
      {"server", installation_.server},
      {"version", kVersion},
      {"replication", installation_.replication},
      {"action", pb::Directive::Action_Name(directive_.action())},
      {"coordinator", heartbeat.ok() ? "connected" : std::string(heartbeat.message())},
      {"time", absl::FormatTime(absl::Now(), absl::UTCTimeZone())},
      {"disks", disks}};
  if (engine_ != nullptr) {
    std::string progress;
    if (google::protobuf::util::MessageToJsonString(engine_->Progress(), &progress).ok()) {
      status["progress"] = nlohmann::json::parse(progress, nullptr, false);
    }
  }
  WriteFileAtomically(absl::StrCat(kRunFolder, "/status.json"), status.dump(2) + "\n")
      .IgnoreError();
}

absl::Status Service::Run(bool* removed) {
  RETURN_IF_ERROR(MakeDirs(kRunFolder, 0700));
  // Tracking starts at once: with the coordinator away nothing may be missed.
  absl::Status started = StartEngine();
  absl::Duration backoff = kDefaultInterval;
  absl::Status last;
  while (true) {
    if (engine_ == nullptr && directive_.action() != pb::Directive::STOP) started = StartEngine();
    if (!started.ok()) Log(Severity::kError, "cannot replicate", {{"error", started.ToString()}});
    const absl::StatusOr<pb::Directive> directive = Heartbeat(false);
    absl::Duration pause = backoff;
    if (directive.ok()) {
      if (directive->action() == pb::Directive::UNINSTALL) {
        StopEngine(/*detach=*/true);
        rpc::Retry(absl::Seconds(30), [&] { return Heartbeat(true).status(); }).IgnoreError();
        *removed = true;
        return absl::OkStatus();
      }
      started = Obey(*directive);
      backoff = kDefaultInterval;
      pause =
          directive->has_heartbeat_interval()
              ? absl::Nanoseconds(TimeUtil::DurationToNanoseconds(directive->heartbeat_interval()))
              : kDefaultInterval;
      pause = std::clamp(pause, absl::Milliseconds(100), kMaxInterval);
      ReportProperties();
    } else {
      if (directive.status() != last) {
        Log(Severity::kWarning, "no answer from the coordinator",
            {{"error", directive.status().ToString()}});
      }
      backoff =
          std::min(backoff * 2,
                   absl::IsPermissionDenied(directive.status()) ? kMaxInterval : absl::Seconds(10));
    }
    last = directive.status();
    WriteStatus(last);
    RenewWhenDue();
    if (WaitForShutdownSignal(pause)) break;
  }
  StopEngine(/*detach=*/false);
  return absl::OkStatus();
}

}  // namespace godwit::agent
