// godwit-bench-agent: the engine of the product with disks, tracker and worker as told, and figures
// on standard output. Or (--push) frames alone, as fast as the stream takes them.
//
// Orders on standard input: "go" (starts to replicate), "point" (asks for a fresh point),
// "stop".
#include <fcntl.h>
#include <grpcpp/channel.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agent/engine/engine.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/tracker/scan_tracker.h"
#include "bench/programs/json_line.h"
#include "bench/programs/push.h"
#include "services/common/base/flags.h"
#include "services/common/base/ids.h"
#include "services/common/base/process.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"

namespace godwit::bench {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr std::size_t kCaptureRingBytes = 16 << 20;  // as the agent has it

struct Config {
  std::string server, worker, endpoint, tls_dir, state, tracker = "ebpf";
  std::vector<std::string> disks;
  bool capture = true, keep_tracking = false;
  absl::Duration cut_interval = absl::Seconds(10), freeze_budget = absl::Milliseconds(500);
  std::int64_t push_bytes = 0, lanes = 1;
};

struct Disks {
  std::vector<std::unique_ptr<agent::SourceDisk>> opened;
  std::vector<agent::WriteCapture::Device> captured;
  std::vector<std::string> devices;  // "major:minor"
  bool resumed = true;
};

absl::Status OpenDisk(const Config& config, const std::string& argument, Disks* disks) {
  const std::pair<std::string, std::string> pair =
      absl::StrSplit(argument, absl::MaxSplits('=', 1));
  const auto& [disk_id, path] = pair;
  RETURN_IF_ERROR(CheckId("--disk", "d-", disk_id));
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return ErrnoStatus(path);
  std::uint64_t size = static_cast<std::uint64_t>(info.st_size);
  const bool device = S_ISBLK(info.st_mode);
  if (device && ioctl(fd.get(), BLKGETSIZE64, &size) != 0) return ErrnoStatus(path);
  const agent::TrackedDevice tracked{.disk_id = disk_id,
                                     .major = static_cast<int>(major(info.st_rdev)),
                                     .first_minor = static_cast<int>(minor(info.st_rdev)),
                                     .size_bytes = size};
  std::unique_ptr<agent::ChangeTracker> tracker;
  if (config.tracker == "ebpf") {
    ASSIGN_OR_RETURN(tracker, agent::StartEbpfTracker(tracked));
  } else if (config.tracker == "scan") {
    ASSIGN_OR_RETURN(tracker, agent::StartScanTracker(path, size, "asked for"));
  } else {
    return absl::InvalidArgumentError("--tracker: ebpf or scan");
  }
  disks->resumed = disks->resumed && tracker->Resumed();
  ASSIGN_OR_RETURN(auto disk, agent::SourceDisk::Open(disk_id, path, size, std::move(tracker)));
  disks->opened.push_back(std::move(disk));
  if (device) {
    disks->devices.push_back(absl::StrCat(tracked.major, ":", tracked.first_minor));
    disks->captured.push_back({tracked, path});
  }
  return absl::OkStatus();
}

pb::Directive MakeDirective(const Config& config, const std::string& request_id) {
  pb::Directive directive;
  directive.set_action(pb::Directive::REPLICATE);
  directive.mutable_assignment()->set_worker(absl::StrCat("workers/", config.worker));
  directive.mutable_assignment()->set_endpoint(config.endpoint);
  directive.mutable_assignment()->set_lease_generation(1);
  pb::AgentSettings& settings = *directive.mutable_settings();
  settings.mutable_cut_interval()->set_seconds(absl::ToInt64Seconds(config.cut_interval));
  settings.set_lane_count(static_cast<int>(config.lanes));
  settings.mutable_freeze_budget()->set_seconds(absl::ToInt64Seconds(config.freeze_budget));
  settings.mutable_freeze_budget()->set_nanos(
      static_cast<int>(absl::ToInt64Nanoseconds(config.freeze_budget) % 1'000'000'000));
  if (!request_id.empty()) directive.mutable_point_order()->set_request_id(request_id);
  return directive;
}

nlohmann::json Figures(const pb::AgentProgress& progress) {
  nlohmann::json line = Usage();
  std::int64_t pending = 0;
  for (const auto& disk : progress.disks()) pending += disk.pending_bytes();
  line["phase"] = pb::AgentProgress::Phase_Name(progress.phase());
  line["plain_bytes"] = progress.sent_bytes();
  line["wire_bytes"] = progress.wire_bytes();
  line["pending_bytes"] = pending;
  line["abandoned_cuts"] = progress.abandoned_cut_count();
  if (progress.has_lag())
    line["lag_seconds"] =
        static_cast<double>(progress.lag().seconds()) + progress.lag().nanos() / 1e9;
  if (!progress.error_message().empty()) line["error"] = progress.error_message();
  return line;
}

// Starts the engine and waits until it has asked its trackers.
void ReadOnce(agent::Engine& engine) {
  pb::Directive pause;
  pause.set_action(pb::Directive::PAUSE);
  engine.SetDirective(pause);
  engine.Start();
  while (engine.Progress().phase() != pb::AgentProgress::PAUSED) {
    absl::SleepFor(absl::Milliseconds(20));
  }
}

// Obeys orders and reports until "stop".
void Serve(const Config& config, agent::Engine& engine, bool started) {
  constexpr absl::Duration kLook = absl::Milliseconds(20), kReport = absl::Milliseconds(50);
  Orders orders;
  bool going = false, first_point = false;
  std::string request_id;
  absl::Time next_report;
  while (const auto order = orders.Next(kLook)) {
    const std::string verb = order->empty() ? "" : order->front();
    if (verb == "stop") break;
    if (verb == "go") {
      going = true;
      engine.SetDirective(MakeDirective(config, ""));
      if (!started) engine.Start();
    } else if (verb == "point") {
      request_id = NewUuid();
      engine.SetDirective(MakeDirective(config, request_id));
      Print("point_asked", {{"request_id", request_id}});
    }
    if (!going) continue;
    const pb::AgentProgress progress = engine.Progress();
    const bool has_point = progress.phase() == pb::AgentProgress::COPYING ||
                           progress.phase() == pb::AgentProgress::IDLE;
    if (has_point && !first_point) {
      first_point = true;
      Print("first_point", Figures(progress));
    }
    // The end of a good one is told by the worker.
    const auto report = engine.Report();
    if (!request_id.empty() && report && report->request_id() == request_id) {
      Print("point_failed", {{"request_id", request_id}, {"message", report->error_message()}});
      request_id.clear();
    }
    if (absl::Now() >= next_report) {
      next_report = absl::Now() + kReport;
      Print("progress", Figures(progress));
    }
  }
}

absl::Status Run(const Config& config) {
  ASSIGN_OR_RETURN(const auto freezer, agent::Freezer::Start());
  ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadTls(config.tls_dir));
  ASSIGN_OR_RETURN(const rpc::Identity worker,
                   rpc::ParsePrincipal(absl::StrCat("worker/", config.worker)));
  const auto dial = [&](const pb::Assignment& assignment) {
    return rpc::Dial(assignment.endpoint(), worker, tls, rpc::Traffic::kData);
  };
  if (config.push_bytes > 0) {
    ASSIGN_OR_RETURN(const PushResult result,
                     Push(rpc::Dial(config.endpoint, worker, tls, rpc::Traffic::kData),
                          config.server, config.push_bytes));
    nlohmann::json line = Usage();
    line["plain_bytes"] = result.bytes;
    line["seconds"] = absl::ToDoubleSeconds(result.took);
    Print("pushed", std::move(line));
    return absl::OkStatus();
  }
  Disks disks;
  for (const std::string& disk : config.disks) RETURN_IF_ERROR(OpenDisk(config, disk, &disks));
  if (disks.opened.empty()) return absl::InvalidArgumentError("--disk: ID=PATH is needed");
  std::unique_ptr<agent::WriteCapture> capture;
  if (config.capture && config.tracker == "ebpf" && disks.captured.size() == disks.opened.size()) {
    ASSIGN_OR_RETURN(capture, agent::WriteCapture::Start(disks.captured, kCaptureRingBytes));
  }
  const nlohmann::json ready = {{"resumed", disks.resumed}, {"capture", capture != nullptr}};
  ASSIGN_OR_RETURN(const std::string boot_id, ReadFile("/proc/sys/kernel/random/boot_id"));
  agent::Engine engine({.source_server = absl::StrCat("sourceServers/", config.server),
                        .state_path = config.state,
                        .boot_id = boot_id,
                        .devices = disks.devices},
                       std::move(disks.opened), std::move(capture), freezer.get(), dial);
  // A tracker that scans has read the disk once before anything is measured.
  const bool started = config.tracker == "scan";
  if (started) ReadOnce(engine);
  Print("ready", ready);
  Serve(config, engine, started);
  engine.Stop();
  if (!config.keep_tracking) RETURN_IF_ERROR(engine.Detach());
  Print("end", Figures(engine.Progress()));
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::TuneProcess();
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-agent", "The agent's engine under measurement.");
  flags.String("server", &config.server, "id of the source server (s-...)");
  flags.String("worker", &config.worker, "id of the worker (w-...)");
  flags.String("endpoint", &config.endpoint, "host:port of the worker");
  flags.String("tls-dir", &config.tls_dir, "folder with tls.crt, tls.key and ca.crt");
  flags.String("state", &config.state, "file of the replica state");
  flags.Strings("disk", &config.disks, "ID=PATH of a disk or file; may be repeated");
  flags.String("tracker", &config.tracker, "ebpf or scan");
  flags.Bool("capture", &config.capture, "points by capture of writes (with ebpf)");
  flags.Bool("keep-tracking", &config.keep_tracking, "leave the tracking in the kernel at the end");
  flags.Duration("cut-interval", &config.cut_interval, "pause between routine points");
  flags.Duration("freeze-budget", &config.freeze_budget, "of points without capture");
  flags.Int("lanes", &config.lanes, 1, 8, "streams to the worker");
  flags.Int("push", &config.push_bytes, 0, INT64_MAX, "send so many bytes in frames and end");
  return godwit::bench::Main(flags, argc, argv, [&] { return godwit::bench::Run(config); });
}
