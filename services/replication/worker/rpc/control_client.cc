#include "services/replication/worker/rpc/control_client.h"

#include <google/protobuf/util/time_util.h>

#include <grpcpp/channel.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::worker {
namespace pb = ::godwit::replication::v1;
using google::protobuf::util::TimeUtil;

namespace {

// Points of a group that are reported again when it is taken over.
constexpr std::size_t kRepeatedPoints = 64;
constexpr std::size_t kMaxQueuedPoints = 10000;
constexpr int kMostWeight = 100;
// Before a point that could not be reported is reported again.
constexpr absl::Duration kReportPause = absl::Milliseconds(500);
// Walking a group's files for its size is not free.
constexpr absl::Duration kSizeAge = absl::Seconds(30);
constexpr std::size_t kMostSizes = 10000;
constexpr absl::Duration kMeasurePause = absl::Seconds(1);

pb::ReportPointRequest ToReport(const std::string& server, std::int64_t generation,
                                const store::PointFacts& facts) {
  pb::ReportPointRequest report;
  report.set_source_server(absl::StrCat("sourceServers/", server));
  report.set_lease_generation(generation);
  report.set_epoch(facts.epoch);
  *report.mutable_cut_time() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.cut_time));
  *report.mutable_commit_time() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.commit_time));
  report.set_consistency(static_cast<pb::Point::Consistency>(facts.consistency));
  report.set_root_hash(facts.root_hash);
  report.set_changed_bytes(facts.changed_bytes);
  *report.mutable_freeze_time() =
      TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(facts.freeze_time));
  report.set_request_id(facts.request_id);
  if (facts.quiesce_time != absl::InfinitePast()) {
    *report.mutable_quiesce_time() =
        TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.quiesce_time));
  }
  return report;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(TimeUtil::DurationToNanoseconds(duration));
}

}  // namespace

ControlClient::ControlClient(std::shared_ptr<grpc::Channel> heartbeats,
                             std::shared_ptr<grpc::Channel> coordinator, Options options,
                             store::Store& store, GroupHost& host, LeaseTable& leases)
    : heartbeats_(pb::WorkerService::NewStub(std::move(heartbeats))),
      stub_(pb::WorkerService::NewStub(std::move(coordinator))),
      options_(std::move(options)),
      store_(store),
      host_(host),
      leases_(leases) {}

void ControlClient::Start() {
  threads_.emplace_back([this] { HeartbeatLoop(); });
  threads_.emplace_back([this] { OrderLoop(); });
  threads_.emplace_back([this] { ReportLoop(); });
  threads_.emplace_back([this] { MeasureLoop(); });
}

void ControlClient::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  if (!threads_.empty()) Heartbeat(/*draining=*/true).IgnoreError();
}

bool ControlClient::Sleep(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(this, &ControlClient::Stopping), duration);
}

absl::Status ControlClient::Register() {
  pb::RegisterWorkerRequest request;
  request.set_endpoint(options_.endpoint);
  request.set_store_id(store_.id());
  request.set_max_server_count(options_.max_server_count);
  request.set_version(options_.version);
  for (const auto& [key, value] : options_.labels) (*request.mutable_labels())[key] = value;
  pb::RegisterWorkerResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(10));
  RETURN_IF_ERROR(rpc::FromGrpc(stub_->RegisterWorker(&context, request, &response)));
  absl::MutexLock lock(&mutex_);
  incarnation_ = response.incarnation();
  lease_duration_ = ToDuration(response.lease_duration());
  Log(Severity::kInfo, "registered", {{"incarnation", absl::StrCat(incarnation_)}});
  return absl::OkStatus();
}

absl::Status ControlClient::Heartbeat(bool draining) {
  pb::WorkerHeartbeatRequest request;
  absl::Duration patience;
  {
    absl::MutexLock lock(&mutex_);
    request.set_incarnation(incarnation_);
    patience = lease_duration_ / 3;
  }
  request.set_draining(draining);
  if (const auto space = store_.Space(); space.ok()) {
    request.set_store_total_bytes(space->total_bytes);
    request.set_store_free_bytes(space->free_bytes);
  }
  for (const GroupHost::Status& status : host_.List()) {
    pb::GroupStatus* group = request.add_groups();
    group->set_source_server(absl::StrCat("sourceServers/", status.server));
    group->set_lease_generation(status.generation);
    group->set_committed_epoch(status.committed_epoch);
    group->set_agent_connected(status.connected);
    group->set_received_bytes(status.received_bytes);
    AddSizes(status.server, group);
  }
  for (const GroupHost::Failure& failure : host_.Failures()) {
    pb::GroupStatus* group = request.add_groups();
    group->set_source_server(absl::StrCat("sourceServers/", failure.server));
    group->set_lease_generation(failure.generation);
    group->set_error_message(std::string(failure.status.message()));
    group->set_stall_cause(pb::Replication::FAILED_TO_CREATE_STAGING_DISKS);
  }
  const absl::Duration asked = RealClock().Monotonic();
  pb::WorkerHeartbeatResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, std::max(patience, absl::Seconds(1)));
  RETURN_IF_ERROR(rpc::FromGrpc(heartbeats_->Heartbeat(&context, request, &response)));
  std::map<std::string, Lease> leases;
  for (const pb::GroupLease& granted : response.leases()) {
    const auto server = ParseName("source_server", "sourceServers", "s-", granted.source_server());
    if (!server.ok()) continue;
    Lease lease{.generation = granted.lease_generation(),
                .weight = static_cast<double>(std::clamp(granted.share_weight(), 1, kMostWeight)),
                .encrypt = granted.encrypt_staging()};
    for (const pb::LeasedDisk& disk : granted.disks()) {
      lease.disks.push_back({.disk_id = disk.disk_id(),
                             .device_name = disk.device_name(),
                             .size_bytes = static_cast<std::uint64_t>(disk.size_bytes()),
                             .is_boot_disk = disk.is_boot_disk()});
    }
    leases[*server] = std::move(lease);
  }
  absl::Duration duration = ToDuration(response.lease_duration());
  {
    absl::MutexLock lock(&mutex_);
    if (duration <= absl::ZeroDuration()) duration = lease_duration_;
    lease_duration_ = duration;
  }
  leases_.Renew(asked, duration, leases);
  host_.CloseUnleased();
  if (draining) return absl::OkStatus();
  // A group that was taken over: the coordinator may have missed its last points.
  for (const GroupHost::Status& status : host_.List()) {
    RepeatReports(status.server, status.generation, status.committed_epoch);
  }
  TakeOrders(response);
  return absl::OkStatus();
}

void ControlClient::AddSizes(const std::string& server, pb::GroupStatus* group) {
  absl::MutexLock lock(&mutex_);
  Sizes& sizes = sizes_[server];
  group->set_allocated_bytes(sizes.allocated_bytes);
  for (const store::PointSize& size : std::exchange(sizes.points, {})) {
    pb::PointSize* out = group->add_point_sizes();
    out->set_epoch(size.epoch);
    out->set_own_bytes(size.own_bytes);
  }
}

// Reads files: heartbeats must not wait for it.
void ControlClient::MeasureLoop() {
  do {
    std::set<std::string> open;
    for (const GroupHost::Status& status : host_.List()) {
      open.insert(status.server);
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return;
        Sizes& sizes = sizes_[status.server];
        const absl::Duration now = RealClock().Monotonic();
        if (sizes.group == status.hosted.get() && now - sizes.taken < kSizeAge) continue;
        sizes.group = status.hosted.get();
        sizes.taken = now;
      }
      const std::int64_t bytes = status.hosted->group->AllocatedBytes();
      std::vector<store::PointSize> points = status.hosted->group->PointSizes(kMostSizes);
      absl::MutexLock lock(&mutex_);
      sizes_[status.server].allocated_bytes = bytes;
      sizes_[status.server].points = std::move(points);
    }
    absl::MutexLock lock(&mutex_);
    std::erase_if(sizes_, [&](const auto& entry) { return !open.contains(entry.first); });
  } while (!Sleep(kMeasurePause));
}

void ControlClient::RepeatReports(const std::string& server, std::int64_t generation,
                                  std::int64_t known_epoch) {
  if (known_epoch == 0) return;
  {
    absl::MutexLock lock(&mutex_);
    if (reported_generation_[server] == generation) return;
    reported_generation_[server] = generation;
  }
  const auto hosted = host_.Open(server, generation);
  if (!hosted.ok()) return;
  std::vector<store::PointFacts> points = (*hosted)->group->Points(kRepeatedPoints);
  for (auto facts = points.rbegin(); facts != points.rend(); ++facts) {
    PointCommitted(server, generation, *facts);
  }
}

void ControlClient::HeartbeatLoop() {
  bool registered = false;
  absl::Duration backoff = absl::Milliseconds(100);
  while (true) {
    absl::Status status = registered ? Heartbeat(false) : Register();
    if (status.ok() && !registered) {
      registered = true;
      backoff = absl::Milliseconds(100);
      continue;
    }
    absl::Duration pause;
    if (status.ok()) {
      backoff = absl::Milliseconds(100);
      absl::MutexLock lock(&mutex_);
      // Leases and orders are learnt by asking: ask often enough that a person does not wait for
      // it.
      pause = std::min(lease_duration_ / 3, absl::Seconds(1));
    } else {
      Log(Severity::kWarning, "the coordinator does not answer as wished",
          {{"error", status.ToString()}});
      if (absl::IsAborted(status)) {
        // Another process took this worker's name, or the coordinator forgot it.
        registered = false;
        leases_.DropAll();
        host_.CloseAll();
      }
      pause = backoff;
      backoff = std::min(backoff * 2, absl::Seconds(2));
    }
    if (Sleep(pause)) return;
  }
}

void ControlClient::TakeOrders(const pb::WorkerHeartbeatResponse& response) {
  absl::MutexLock lock(&mutex_);
  for (const pb::WorkerOrder& order : response.orders()) {
    if (known_orders_.insert(order.order_id()).second) orders_.push_back(order);
  }
}

void ControlClient::OrderLoop() {
  while (true) {
    pb::WorkerOrder order;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !orders_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (stopping_) return;
      order = orders_.front();
      orders_.pop_front();
    }
    pb::ReportOrderRequest report = CarryOut(order);
    const absl::Status told = rpc::Retry(absl::Seconds(10), [&] {
      {
        absl::MutexLock lock(&mutex_);
        report.set_incarnation(incarnation_);
      }
      pb::ReportOrderResponse response;
      grpc::ClientContext context;
      rpc::SetTimeout(context, absl::Seconds(5));
      return rpc::FromGrpc(stub_->ReportOrder(&context, report, &response));
    });
    if (!told.ok()) {
      Log(Severity::kWarning, "order not reported; it will come again",
          {{"order", order.order_id()}, {"error", told.ToString()}});
    }
    absl::MutexLock lock(&mutex_);
    known_orders_.erase(order.order_id());
  }
}

pb::ReportOrderRequest ControlClient::CarryOut(const pb::WorkerOrder& order) {
  pb::ReportOrderRequest report;
  report.set_order_id(order.order_id());
  const absl::Status status = CarryOut(order, &report);
  Log(status.ok() ? Severity::kInfo : Severity::kWarning, "order carried out",
      {{"order", order.order_id()},
       {"kind", absl::StrCat(order.order_case())},
       {"server", order.source_server()},
       {"error", std::string(status.message())}});
  if (!status.ok()) {
    report.set_error_code(static_cast<int>(status.code()));
    report.set_error_message(std::string(status.message()));
  }
  return report;
}

absl::Status ControlClient::CarryOut(const pb::WorkerOrder& order, pb::ReportOrderRequest* report) {
  ASSIGN_OR_RETURN(const std::string server,
                   ParseName("source_server", "sourceServers", "s-", order.source_server()));
  if (order.has_remove_staging()) {
    host_.Close(server);
    return store_.RemoveGroup(server);
  }
  ASSIGN_OR_RETURN(const auto hosted, host_.Open(server, order.lease_generation()));
  switch (order.order_case()) {
    case pb::WorkerOrder::kCreateClone: {
      RETURN_IF_ERROR(CheckId("create_clone.clone_id", "c-", order.create_clone().clone_id()));
      ASSIGN_OR_RETURN(const std::vector<store::CloneFile> clone,
                       hosted->group->CreateClone(order.create_clone().clone_id(),
                                                  order.create_clone().epoch()));
      for (const store::CloneFile& file : clone) {
        pb::CloneDisk* disk = report->add_clone_disks();
        disk->set_disk_id(file.disk.disk_id);
        disk->set_device_name(file.disk.device_name);
        disk->set_size_bytes(static_cast<std::int64_t>(file.disk.size_bytes));
        disk->set_is_boot_disk(file.disk.is_boot_disk);
        disk->set_path(file.path);
      }
      return absl::OkStatus();
    }
    case pb::WorkerOrder::kDeleteClone:
      RETURN_IF_ERROR(CheckId("delete_clone.clone_id", "c-", order.delete_clone().clone_id()));
      return hosted->group->DeleteClone(order.delete_clone().clone_id());
    case pb::WorkerOrder::kDeletePoints:
      return hosted->group->DeletePoints(
          {order.delete_points().epochs().begin(), order.delete_points().epochs().end()});
    default:
      return absl::UnimplementedError(
          "unknown kind of order: this worker is older than the coordinator");
  }
}

void ControlClient::PointCommitted(const std::string& server, std::int64_t generation,
                                   const store::PointFacts& facts) {
  absl::MutexLock lock(&mutex_);
  if (points_.size() < kMaxQueuedPoints) points_.push_back(ToReport(server, generation, facts));
}

void ControlClient::CountDatabase(absl::Duration time) {
  std::set<std::string> servers;
  {
    absl::MutexLock lock(&mutex_);
    for (const pb::ReportPointRequest& point : points_) servers.insert(point.source_server());
  }
  for (const std::string& name : servers) {
    const auto server = ParseName("source_server", "sourceServers", "s-", name);
    const auto hosted = server.ok() ? host_.Find(*server) : nullptr;
    if (hosted != nullptr) hosted->meter.Add(WorkMeter::kDatabase, time);
  }
}

void ControlClient::ReportLoop() {
  while (true) {
    pb::ReportPointRequest report;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !points_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (points_.empty()) return;
      report = points_.front();
      report.set_incarnation(incarnation_);
    }
    pb::ReportPointResponse response;
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(10));
    const absl::Duration from = RealClock().Monotonic();
    const absl::Status status = rpc::FromGrpc(stub_->ReportPoint(&context, report, &response));
    CountDatabase(RealClock().Monotonic() - from);
    const bool again = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
                       absl::IsResourceExhausted(status) || absl::IsUnknown(status) ||
                       absl::IsCancelled(status);  // that copy stops
    if (!status.ok() && !again) {
      Log(Severity::kWarning, "point refused",
          {{"server", report.source_server()},
           {"epoch", absl::StrCat(report.epoch())},
           {"error", status.ToString()}});
    }
    bool stop = false;
    {
      absl::MutexLock lock(&mutex_);
      if (!again) points_.pop_front();
      stop = stopping_ && again;
    }
    if (stop || (again && Sleep(kReportPause))) return;
    if (again) CountDatabase(kReportPause);
  }
}

}  // namespace godwit::worker
