#include "bench/programs/fleet_workers.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/identity.h"
#include "services/common/rpc/serve.h"

namespace godwit::bench {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr absl::Duration kBeat = absl::Seconds(3);
constexpr std::int64_t kStoreBytes = std::int64_t{1} << 50;

void Now(google::protobuf::Timestamp* time) { time->set_seconds(absl::ToUnixSeconds(absl::Now())); }

}  // namespace

absl::StatusOr<std::unique_ptr<FleetWorkers>> FleetWorkers::Start(
    const std::string& replication, const std::vector<std::string>& tls_dirs, int servers_each) {
  ASSIGN_OR_RETURN(const rpc::Identity peer, rpc::ParsePrincipal("service/replication"));
  std::unique_ptr<FleetWorkers> out(new FleetWorkers(tls_dirs.size()));
  for (const std::string& dir : tls_dirs) {
    ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadTls(dir));
    Worker& worker = *out->workers_.emplace_back(std::make_unique<Worker>());
    worker.stub = pb::WorkerService::NewStub(rpc::Dial(replication, peer, tls));
    RETURN_IF_ERROR(out->Register(worker, static_cast<int>(out->workers_.size()), servers_each));
    worker.beats = std::jthread([self = out.get(), &worker](const std::stop_token& stop) {
      self->KeepBeating(worker, stop);
    });
    worker.reports = std::jthread([self = out.get(), &worker](const std::stop_token& stop) {
      self->KeepReporting(worker, stop);
    });
  }
  return out;
}

FleetWorkers::~FleetWorkers() {
  for (const auto& worker : workers_) {
    worker->beats.request_stop();
    worker->reports.request_stop();
  }
  // Their threads use what is destroyed before them.
  for (const auto& worker : workers_) {
    if (worker->beats.joinable()) worker->beats.join();
    if (worker->reports.joinable()) worker->reports.join();
  }
}

absl::Status FleetWorkers::Register(Worker& worker, int number, int servers_each) {
  pb::RegisterWorkerRequest request;
  request.set_endpoint(absl::StrCat("127.0.0.1:", number));
  request.set_store_id(absl::StrCat("bench-", number));
  request.set_max_server_count(servers_each);
  request.set_version("bench");
  pb::RegisterWorkerResponse response;
  RETURN_IF_ERROR(rpc::Retry(absl::Minutes(1), [&] {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(10));
    return rpc::FromGrpc(worker.stub->RegisterWorker(&context, request, &response));
  }));
  worker.incarnation = response.incarnation();
  return absl::OkStatus();
}

void FleetWorkers::Beat(Worker& worker) {
  pb::WorkerHeartbeatRequest request;
  request.set_incarnation(worker.incarnation);
  request.set_store_total_bytes(kStoreBytes);
  request.set_store_free_bytes(kStoreBytes / 2);
  {
    absl::MutexLock lock(&worker.mutex);
    for (const auto& [server, lease] : worker.leases) {
      pb::GroupStatus& group = *request.add_groups();
      group.set_source_server(server);
      group.set_lease_generation(lease.generation);
      group.set_committed_epoch(lease.epoch);
      group.set_agent_connected(true);
      group.set_received_bytes(std::int64_t{1} << 30);
      group.set_allocated_bytes(std::int64_t{1} << 30);
    }
  }
  pb::WorkerHeartbeatResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(10));
  const absl::Time from = absl::Now();
  const absl::Status status = rpc::FromGrpc(worker.stub->Heartbeat(&context, request, &response));
  heartbeats_.Add(absl::Now() - from);
  if (!status.ok()) {
    heartbeats_.Fail();
    Log(Severity::kWarning, "heartbeat of a worker", {{"error", status.ToString()}});
    return;
  }
  absl::MutexLock lock(&worker.mutex);
  std::map<std::string, Lease> leases;
  for (const pb::GroupLease& lease : response.leases()) {
    const auto known = worker.leases.find(lease.source_server());
    leases[lease.source_server()] = {
        .generation = lease.lease_generation(),
        .epoch = known == worker.leases.end() ? 0 : known->second.epoch};
  }
  worker.leases = std::move(leases);
}

void FleetWorkers::Report(Worker& worker) {
  pb::ReportPointRequest request;
  {
    absl::MutexLock lock(&worker.mutex);
    if (worker.leases.empty()) return;
    auto next = worker.leases.upper_bound(worker.last);
    if (next == worker.leases.end()) next = worker.leases.begin();
    worker.last = next->first;
    request.set_source_server(next->first);
    request.set_lease_generation(next->second.generation);
    request.set_epoch(++next->second.epoch);
  }
  request.set_incarnation(worker.incarnation);
  Now(request.mutable_cut_time());
  Now(request.mutable_commit_time());
  request.set_consistency(pb::Point::CRASH_CONSISTENT);
  request.set_changed_bytes(1 << 20);
  pb::ReportPointResponse response;
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(10));
  const absl::Time from = absl::Now();
  const absl::Status status = rpc::FromGrpc(worker.stub->ReportPoint(&context, request, &response));
  points_.Add(absl::Now() - from);
  if (!status.ok()) points_.Fail();
}

void FleetWorkers::KeepBeating(Worker& worker, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const absl::Time from = absl::Now();
    Beat(worker);
    while (!stop.stop_requested() && absl::Now() - from < kBeat)
      absl::SleepFor(absl::Milliseconds(20));
  }
}

void FleetWorkers::KeepReporting(Worker& worker, const std::stop_token& stop) {
  absl::Time due = absl::Now();
  while (!stop.stop_requested()) {
    const double rate = point_rate_ / static_cast<double>(count_);
    if (rate <= 0 || absl::Now() < due) {
      absl::SleepFor(absl::Milliseconds(5));
      if (rate <= 0) due = absl::Now();
      continue;
    }
    Report(worker);
    due = std::max(due + absl::Seconds(1 / rate), absl::Now() - absl::Seconds(1));
  }
}

std::size_t FleetWorkers::leases() const {
  std::size_t out = 0;
  for (const auto& worker : workers_) {
    absl::MutexLock lock(&worker->mutex);
    out += worker->leases.size();
  }
  return out;
}

}  // namespace godwit::bench
