#include "agent/commands/service.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/discovery/measured_use.h"
#include "agent/tracker/pins.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/signals.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/version.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/certificate_life.h"
#include "services/common/rpc/serve.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
namespace registry_pb = ::godwit::registry::v1;
using google::protobuf::util::TimeUtil;

namespace {

constexpr absl::Duration kDefaultInterval = absl::Seconds(1);
constexpr absl::Duration kMaxInterval = absl::Seconds(60);
// Between two looks at the disks.
constexpr absl::Duration kLook = absl::Seconds(1);
constexpr absl::Duration kRenewalCheck = absl::Minutes(1);
constexpr absl::Duration kPropertiesInterval = absl::Hours(1);
// What right-sizing needs (docs/targets.md); told at once.
constexpr std::int64_t kEnoughSamples = 10;

}  // namespace

Service::Service(Installation installation, rpc::TlsMaterial tls, std::unique_ptr<Freezer> freezer,
                 Places places)
    : installation_(std::move(installation)),
      places_(std::move(places)),
      freezer_(std::move(freezer)),
      source_disks_(places_),
      use_meter_({.state_path = places_.state_folder + "/use.json"}, absl::Now()),
      tls_(std::move(tls)) {
  coordinator_ =
      rpc::Dial(installation_.replication, *rpc::ParsePrincipal("service/replication"), Tls());
  registry_ = rpc::Dial(installation_.registry, *rpc::ParsePrincipal("service/registry"), Tls());
}

rpc::TlsMaterial Service::Tls() {
  absl::MutexLock lock(&mutex_);
  return tls_;
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
  progress_.Clear();
  if (engine_ != nullptr) {
    progress_ = engine_->Progress();
    if (const auto report = engine_->Report(); report) *request.mutable_point_report() = *report;
  }
  if (!started_.ok()) {
    progress_.set_phase(pb::AgentProgress::FAILED);
    progress_.set_stall_cause(pb::Replication::SOURCE_READ_ERROR);
    progress_.set_error_message(std::string(started_.message()));
  }
  *request.mutable_progress() = progress_;
  request.set_agent_version(Version());
  request.set_boot_id(boot_id_);
  request.set_released(released);
  const auto stub = pb::AgentService::NewStub(coordinator_);
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(15));
  pb::Directive directive;
  RETURN_IF_ERROR(rpc::FromGrpc(stub->Heartbeat(&context, request, &directive)));
  return directive;
}

void Service::Obey(const pb::Directive& directive) {
  const bool new_action = directive.action() != directive_.action();
  if (new_action) {
    Log(Severity::kInfo, "directive", {{"action", pb::Directive::Action_Name(directive.action())}});
  }
  directive_ = directive;
  if (directive.action() == pb::Directive::STOP) {
    // Tracking ends: the next start compares or sends everything.
    StopEngine(/*detach=*/true);
    // Also of disks that no engine could start with.
    for (const ReportedDisk& disk : disks_) {
      if (new_action && disk.replicated) RemovePins(disk.disk_id).IgnoreError();
    }
    started_ = absl::OkStatus();
    return;
  }
  if (StartEngine().ok()) engine_->SetDirective(directive);
}

void Service::RenewWhenDue() {
  if (SteadyNow() < next_renewal_check_) return;
  const absl::StatusOr<rpc::CertificateLife> life = rpc::LifeOf(Tls().certificate_chain);
  const absl::Duration length = life.ok() ? life->end - life->begin : absl::ZeroDuration();
  next_renewal_check_ = SteadyNow() + std::clamp(length / 30, absl::Seconds(2), kRenewalCheck);
  // A day's certificate is renewed after 16 hours, also when the wall clock is behind.
  if (life.ok() && absl::Now() < life->due() && SteadyNow() - certificate_since_ < length * 2 / 3) {
    return;
  }
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
    RETURN_IF_ERROR(SaveTls(tls, places_.state_folder));
    const auto change = [&](Installation& installation) {
      const auto& endpoints = response.endpoints();
      installation.certificate_generation = response.certificate_generation();
      if (!endpoints.registry().empty()) installation.registry = endpoints.registry();
      if (!endpoints.replication().empty()) installation.replication = endpoints.replication();
      return absl::OkStatus();
    };
    ASSIGN_OR_RETURN(installation_, UpdateInstallation(change, places_.state_folder));
    {
      absl::MutexLock lock(&mutex_);
      tls_ = tls;
      certificate_since_ = SteadyNow();
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

std::string Service::CertificateProblem() {
  return std::string(
      rpc::CheckLife(Tls().certificate_chain, "the agent's certificate",
                     "enrol this server again (godwit-agent install with a new token); what "
                     "changed meanwhile is sent then",
                     absl::Now())
          .message());
}

void Service::ReportProperties() {
  if (SteadyNow() < next_properties_) return;
  registry_pb::UpdatePropertiesRequest request;
  *request.mutable_properties() = Discover(disks_);
  const UseSummary use = use_meter_.Summary();
  AddUse(use, request.mutable_properties());
  registry_pb::UpdatePropertiesResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  const absl::Status status =
      rpc::FromGrpc(registry_pb::EnrollmentService::NewStub(registry_)->UpdateProperties(
          &context, request, &response));
  next_properties_ = SteadyNow() + (status.ok() ? kPropertiesInterval : absl::Minutes(1));
  if (status.ok()) use_is_told_ = use.sample_count >= kEnoughSamples;
  if (!status.ok())
    Log(Severity::kWarning, "properties not reported", {{"error", status.ToString()}});
}

void Service::MeasureUse() {
  const absl::Status before = std::exchange(measured_, use_meter_.Tick(absl::Now()));
  if (!measured_.ok() && measured_ != before)
    Log(Severity::kWarning, "use is not measured", {{"error", measured_.ToString()}});
  if (!use_is_told_ && use_meter_.Summary().sample_count == kEnoughSamples) {
    use_is_told_ = true;
    next_properties_ = absl::InfinitePast();
  }
}

void Service::WriteStatus(const absl::Status& heartbeat) {
  nlohmann::json disks = nlohmann::json::array();
  for (const ReportedDisk& disk : disks_) {
    disks.push_back({{"disk_id", disk.disk_id},
                     {"device", disk.disk.device_name},
                     {"bytes", disk.disk.size_bytes},
                     {"replicated", disk.replicated},
                     {"missing", disk.missing},
                     {"reason", disk.reason},
                     {"tracker", disk.tracker},
                     {"losses", disk.replicated ? LossesOf(disk.disk_id) : ""}});
  }
  nlohmann::json status = {
      {"server", installation_.server},
      {"version", Version()},
      {"replication", installation_.replication},
      {"action", pb::Directive::Action_Name(directive_.action())},
      {"coordinator", heartbeat.ok() ? "connected" : std::string(heartbeat.message())},
      {"certificate", CertificateProblem()},
      {"time", absl::FormatTime(absl::Now(), absl::UTCTimeZone())},
      {"points", engine_ == nullptr       ? "none: nothing is replicated now"
                 : freeze_reason_.empty() ? absl::StrCat("by capture: ", capture_)
                                          : absl::StrCat("by freeze: ", freeze_reason_)},
      {"first_blocks", engine_ == nullptr ? "" : engine_->FirstBlocksText()},
      {"disks", disks}};
  std::string progress;
  if (google::protobuf::util::MessageToJsonString(progress_, &progress).ok()) {
    status["progress"] = nlohmann::json::parse(progress, nullptr, false);
  }
  WriteFileAtomically(absl::StrCat(places_.run_folder, "/status.json"), status.dump(2) + "\n")
      .IgnoreError();
}

bool Service::Rest(absl::Duration pause) {
  const absl::Time end = SteadyNow() + pause;
  do {
    if (WaitForShutdownSignal(std::clamp(end - SteadyNow(), absl::ZeroDuration(), kLook)))
      return true;
    if (SteadyNow() < next_look_) continue;
    next_look_ = SteadyNow() + kLook;
    MeasureUse();
    // Another size is seen at once by whoever reads behind the end.
    const bool failed =
        engine_ != nullptr && progress_.stall_cause() == pb::Replication::SOURCE_READ_ERROR;
    if ((source_disks_.Changed() || failed) && LookAtDisks()) return false;
  } while (SteadyNow() < end);
  return false;
}

absl::Status Service::Run(bool* removed) {
  RETURN_IF_ERROR(MakeDirs(places_.run_folder, 0700));
  absl::Duration backoff = kDefaultInterval;
  absl::Status last;
  while (true) {
    // Tracking starts at once: with the coordinator away nothing may be missed.
    if (directive_.action() != pb::Directive::STOP) StartEngine().IgnoreError();
    const absl::StatusOr<pb::Directive> directive = Heartbeat(false);
    absl::Duration pause = backoff;
    if (directive.ok()) {
      if (directive->action() == pb::Directive::UNINSTALL) {
        StopEngine(/*detach=*/true);
        rpc::Retry(absl::Seconds(30), [&] { return Heartbeat(true).status(); }).IgnoreError();
        *removed = true;
        return absl::OkStatus();
      }
      Obey(*directive);
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
            {{"error", directive.status().ToString()}, {"certificate", CertificateProblem()}});
      }
      backoff =
          std::min(backoff * 2,
                   absl::IsPermissionDenied(directive.status()) ? kMaxInterval : absl::Seconds(10));
    }
    last = directive.status();
    WriteStatus(last);
    RenewWhenDue();
    if (Rest(pause)) break;
  }
  StopEngine(/*detach=*/false);
  use_meter_.Save().IgnoreError();
  return absl::OkStatus();
}

}  // namespace godwit::agent
