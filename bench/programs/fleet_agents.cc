#include "bench/programs/fleet_agents.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/identity.h"
#include "services/common/rpc/serve.h"

namespace godwit::bench {
namespace {

namespace replication_pb = ::godwit::replication::v1;
namespace registry_pb = ::godwit::registry::v1;

constexpr std::int64_t kDiskBytes = std::int64_t{40} << 30;
constexpr absl::Duration kCallTime = absl::Seconds(30);
constexpr absl::Duration kAgain = absl::Seconds(1);

}  // namespace

struct FleetAgents::HeartbeatCall {
  grpc::ClientContext context;
  replication_pb::HeartbeatRequest request;
  replication_pb::Directive answer;
  absl::Time sent;
};

FleetAgents::~FleetAgents() { AwaitAll(); }

absl::Status FleetAgents::EnrolOne(registry_pb::EnrollmentService::Stub& stub, Agent& agent) {
  ASSIGN_OR_RETURN(const rpc::KeyAndCsr key, rpc::MakeKeyAndCsr("agent"));
  registry_pb::EnrollRequest request;
  request.set_token(endpoints_.token);
  request.set_csr_pem(key.csr_pem);
  request.set_request_id(NewUuid());
  registry_pb::SourceProperties& properties = *request.mutable_properties();
  properties.set_hostname(absl::StrCat("web-", NewId("")));
  properties.mutable_os()->set_full_string("Debian GNU/Linux 12 (bookworm)");
  properties.set_ram_bytes(std::int64_t{8} << 30);
  agent.disk_id = NewId("d-");
  auto& disk = *properties.add_disks();
  disk.set_disk_id(agent.disk_id);
  disk.set_device_name("/dev/sda");
  disk.set_size_bytes(kDiskBytes);
  disk.set_is_boot_disk(true);
  registry_pb::EnrollResponse response;
  RETURN_IF_ERROR(rpc::Retry(absl::Minutes(2), [&] {
    grpc::ClientContext context;
    rpc::SetTimeout(context, kCallTime);
    return rpc::FromGrpc(stub.Enroll(&context, request, &response));
  }));
  agent.name = response.source_server();
  agent.tls = {.certificate_chain = response.certificate_chain_pem(),
               .private_key = key.private_key_pem,
               .ca = response.ca_pem()};
  return absl::OkStatus();
}

absl::Status FleetAgents::Enrol(std::size_t count, int at_once) {
  const std::size_t first = agents_.size();
  while (agents_.size() < count) agents_.push_back(std::make_unique<Agent>());
  ASSIGN_OR_RETURN(const rpc::Identity registry, rpc::ParsePrincipal("service/registry"));
  std::atomic<std::size_t> next = first;
  absl::Mutex mutex;
  absl::Status outcome;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < at_once; ++i) {
      threads.emplace_back([&] {
        const auto stub = registry_pb::EnrollmentService::NewStub(
            rpc::DialWithoutCertificate(endpoints_.enrollment, registry, endpoints_.ca));
        for (std::size_t one; (one = next++) < count;) {
          const absl::Time from = absl::Now();
          const absl::Status status = EnrolOne(*stub, *agents_[one]);
          latencies_.Add(absl::Now() - from);
          if (status.ok()) {
            absl::MutexLock lock(&mutex_);
            idle_.push_back(agents_[one].get());
            continue;
          }
          latencies_.Fail();
          absl::MutexLock lock(&mutex);
          outcome.Update(status);
          return;
        }
      });
    }
  }
  return outcome;
}

void FleetAgents::Disconnect() {
  AwaitAll();
  for (const auto& agent : agents_) agent->stub.reset();
}

void FleetAgents::Send(Agent& agent, absl::Duration patience) {
  if (agent.stub == nullptr) {
    agent.stub = replication_pb::AgentService::NewStub(
        rpc::Dial(endpoints_.replication, *rpc::ParsePrincipal("service/replication"), agent.tls));
  }
  auto* const call = new HeartbeatCall();
  replication_pb::HeartbeatRequest& request = call->request;
  auto& disk = *request.add_disks();
  disk.set_disk_id(agent.disk_id);
  disk.set_device_name("/dev/sda");
  disk.set_size_bytes(kDiskBytes);
  disk.set_is_boot_disk(true);
  disk.set_tracker("ebpf");
  request.set_agent_version("bench");
  request.set_boot_id("5b6a2d1e-0000-4000-8000-000000000000");
  ++agent.beats;
  replication_pb::AgentProgress& progress = *request.mutable_progress();
  progress.set_connected_generation(agent.generation);
  progress.set_phase(agent.generation > 0 ? replication_pb::AgentProgress::COPYING
                                          : replication_pb::AgentProgress::CONNECTING);
  auto& figures = *progress.add_disks();
  figures.set_disk_id(agent.disk_id);
  figures.set_pending_bytes((agent.beats % 16) << 16);
  figures.set_replicated_bytes(kDiskBytes);
  progress.set_wire_bytes(agent.beats << 20);
  progress.set_sent_bytes(agent.beats << 21);
  progress.set_bytes_per_second(2 << 20);
  progress.set_codec("zstd -1");
  progress.mutable_lag()->set_nanos(400'000'000);
  ++in_flight_;
  rpc::SetTimeout(call->context, patience);
  call->sent = absl::Now();
  agent.stub->async()->Heartbeat(
      &call->context, &call->request, &call->answer, [this, call, &agent](grpc::Status status) {
        latencies_.Add(absl::Now() - call->sent);
        if (!status.ok()) latencies_.Fail();
        agent.generation = status.ok() ? call->answer.assignment().lease_generation() : 0;
        agent.answered = status.ok();
        delete call;
        {
          absl::MutexLock lock(&mutex_);
          idle_.push_back(&agent);
        }
        --in_flight_;
      });
}

void FleetAgents::AwaitAll() {
  while (in_flight_ > 0) absl::SleepFor(absl::Milliseconds(1));
}

FleetAgents::Agent* FleetAgents::TakeIdle() {
  absl::MutexLock lock(&mutex_);
  if (idle_.empty()) return nullptr;
  Agent* const out = idle_.front();
  idle_.pop_front();
  return out;
}

std::size_t FleetAgents::Storm(absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  for (const auto& agent : agents_) agent->answered = false;
  while (true) {
    std::vector<Agent*> unanswered, answered;
    while (Agent* const agent = TakeIdle())
      (agent->answered ? answered : unanswered).push_back(agent);
    {
      absl::MutexLock lock(&mutex_);
      idle_.insert(idle_.end(), answered.begin(), answered.end());
    }
    const absl::Duration left = end - absl::Now();
    if (unanswered.empty() || left <= kAgain) {
      absl::MutexLock lock(&mutex_);
      idle_.insert(idle_.end(), unanswered.begin(), unanswered.end());
      return unanswered.size();
    }
    if (unanswered.size() < agents_.size()) absl::SleepFor(kAgain);
    for (Agent* const agent : unanswered) Send(*agent, left);
    AwaitAll();
  }
}

void FleetAgents::Beat(double rate, absl::Duration time, int in_flight) {
  const absl::Time from = absl::Now();
  std::int64_t sent = 0;
  while (true) {
    const absl::Duration passed = absl::Now() - from;
    if (passed >= time) break;
    const auto due = static_cast<std::int64_t>(rate * absl::ToDoubleSeconds(passed));
    while (rate > 0 ? sent < due : in_flight_ < in_flight) {
      Agent* const agent = TakeIdle();
      if (agent == nullptr) break;
      Send(*agent, kCallTime);
      ++sent;
    }
    absl::SleepFor(absl::Microseconds(500));
  }
  AwaitAll();
}

std::size_t FleetAgents::replicating() const {
  return static_cast<std::size_t>(std::count_if(agents_.begin(), agents_.end(),
                                                [](const auto& it) { return it->generation > 0; }));
}

}  // namespace godwit::bench
