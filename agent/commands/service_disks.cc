// What the service does with the disks: tracks them, replicates them, and goes on with others when
// they change.
#include <grpcpp/channel.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/commands/service.h"
#include "agent/state/replica_state.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/scan_tracker.h"
#include "agent/tracker/tracefs_tracker.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;

namespace {

// Captured writes that wait to be read.
constexpr std::size_t kCaptureRingBytes = std::size_t{32} << 20;

}  // namespace

void Service::Note(std::vector<ReportedDisk> disks) {
  const auto same = [](const ReportedDisk& a, const ReportedDisk& b) {
    return a.disk_id == b.disk_id && a.disk.device_name == b.disk.device_name &&
           a.disk.size_bytes == b.disk.size_bytes && a.replicated == b.replicated &&
           a.missing == b.missing && a.reason == b.reason;
  };
  for (ReportedDisk& disk : disks) {
    const auto before = std::find_if(disks_.begin(), disks_.end(),
                                     [&](const ReportedDisk& each) { return same(each, disk); });
    if (before != disks_.end()) {
      disk.tracker = before->tracker;
      continue;
    }
    Log(disk.missing ? Severity::kWarning : Severity::kInfo, "disk",
        {{"disk", disk.disk.device_name},
         {"id", disk.disk_id},
         {"bytes", absl::StrCat(disk.disk.size_bytes)},
         {"replicated", disk.missing      ? "not there any more"
                        : disk.replicated ? "yes"
                                          : absl::StrCat("no: ", disk.reason)}});
  }
  // People hear of it soon.
  if (!std::equal(disks.begin(), disks.end(), disks_.begin(), disks_.end(), same))
    next_properties_ = absl::InfinitePast();
  disks_ = std::move(disks);
}

absl::StatusOr<std::unique_ptr<SourceDisk>> Service::Track(ReportedDisk& report) {
  const FoundDisk& disk = report.disk;
  const TrackedDevice device{.disk_id = report.disk_id,
                             .major = disk.major,
                             .first_minor = disk.minor,
                             .size_bytes = disk.size_bytes};
  auto tracker = StartEbpfTracker(device);
  if (tracker.ok()) {
    captured_.push_back({device, disk.device_name});
  } else {
    const std::string reason =
        absl::StrCat("ebpf does not work here: ", tracker.status().message());
    freeze_reason_ = absl::StrCat(disk.device_name, ": ", reason);
    tracker = StartTracefsTracker(device, reason);
    if (!tracker.ok()) {
      tracker = StartScanTracker(disk.device_name, disk.size_bytes,
                                 absl::StrCat(reason, "; ", tracker.status().message()));
    }
  }
  RETURN_IF_ERROR(tracker);
  report.tracker = (*tracker)->Describe();
  Log(Severity::kInfo, "tracking", {{"disk", disk.device_name}, {"tracker", report.tracker}});
  return SourceDisk::Open(report.disk_id, disk.device_name, disk.size_bytes, *std::move(tracker));
}

std::unique_ptr<WriteCapture> Service::StartCapture() {
  if (freeze_reason_.empty()) {
    auto started = WriteCapture::Start(captured_, kCaptureRingBytes);
    if (started.ok()) {
      capture_ = (*started)->Describe();
      return *std::move(started);
    }
    freeze_reason_ = std::string(started.status().message());
  }
  Log(Severity::kWarning, "points need a freeze of the file systems here",
      {{"reason", freeze_reason_}});
  return nullptr;
}

absl::Status Service::StartEngine() {
  if (engine_ != nullptr) return absl::OkStatus();
  const auto start = [this]() -> absl::Status {
    ASSIGN_OR_RETURN(boot_id_, BootId());
    ASSIGN_OR_RETURN(DiskPlan plan, source_disks_.Find());
    for (const ResizedDisk& disk : plan.resized) {
      Log(Severity::kWarning, "a disk was resized: it is sent as another one",
          {{"disk", disk.device_name},
           {"bytes_before", absl::StrCat(disk.old_bytes)},
           {"bytes", absl::StrCat(disk.new_bytes)},
           {"id_before", disk.old_id},
           {"id", disk.new_id}});
    }
    Note(std::move(plan.disks));
    if (!plan.problem.empty()) return absl::FailedPreconditionError(plan.problem);
    Engine::Options options{.source_server = absl::StrCat("sourceServers/", installation_.server),
                            .state_path = absl::StrCat(places_.run_folder, "/replica.json"),
                            .boot_id = boot_id_};
    RETURN_IF_ERROR(MakeDirs(places_.run_folder, 0700));
    captured_.clear();
    freeze_reason_.clear();
    std::vector<std::unique_ptr<SourceDisk>> disks;
    for (ReportedDisk& report : disks_) {
      if (!report.replicated) continue;
      ASSIGN_OR_RETURN(disks.emplace_back(), Track(report));
      const std::vector<std::string>& devices = report.disk.devices;
      options.devices.insert(options.devices.end(), devices.begin(), devices.end());
    }
    auto capture = StartCapture();
    engine_ = std::make_unique<Engine>(
        std::move(options), std::move(disks), std::move(capture), freezer_.get(),
        [this](const pb::Assignment& assignment) {
          const std::string worker = assignment.worker().substr(assignment.worker().find('/') + 1);
          const auto peer = rpc::ParsePrincipal(absl::StrCat("worker/", worker));
          return rpc::Dial(assignment.endpoint(), peer.ok() ? *peer : rpc::Identity{}, Tls(),
                           rpc::Traffic::kData);
        });
    engine_->Start();
    return absl::OkStatus();
  };
  const absl::Status status = start();
  if (!status.ok() && status != started_)
    Log(Severity::kError, "cannot replicate", {{"error", status.ToString()}});
  started_ = status;
  return status;
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

bool Service::LookAtDisks() {
  bool same = false;
  absl::StatusOr<DiskPlan> plan = source_disks_.Look(&same);
  if (!plan.ok()) {
    Log(Severity::kWarning, "the disks cannot be looked at", {{"error", plan.status().ToString()}});
    return false;
  }
  if (same || directive_.action() == pb::Directive::STOP) {
    Note(std::move(plan->disks));
    return false;
  }
  if (engine_ != nullptr) {
    Log(Severity::kWarning, "the disks changed: replication starts anew with those that are there",
        {{"problem", plan->problem}});
    StopEngine(/*detach=*/false);
  }
  return true;
}

}  // namespace godwit::agent
