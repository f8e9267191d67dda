#include "services/jobs/clients/registry_client.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/jobs/clients/call.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/settings.h"
#include "services/jobs/rpc/messages.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kMostNics = 8;

std::string FirstIpv4(const registry::v1::NetworkInterface& nic) {
  for (const std::string& address : nic.addresses()) {
    in_addr parsed{};
    const std::size_t slash = address.find('/');
    if (slash != std::string::npos &&
        inet_pton(AF_INET, address.substr(0, slash).c_str(), &parsed) == 1) {
      return address;
    }
  }
  return "";
}

// Ethernet interfaces with an address; the primary one first, else in the source's order.
std::vector<SourceNic> Nics(const registry::v1::SourceProperties& properties) {
  std::vector<SourceNic> out;
  for (const bool primary : {true, false}) {
    for (const auto& nic : properties.network_interfaces()) {
      if (nic.is_primary() != primary || !IsMac(nic.mac_address())) continue;
      if (out.size() < kMostNics) {
        out.push_back(
            {.name = nic.name(), .mac_address = nic.mac_address(), .address = FirstIpv4(nic)});
      }
    }
  }
  return out;
}

// What is no number, or more than a machine may have, is not taken as it is.
SourceUse Use(const registry::v1::MeasuredUse& use) {
  const double cores = use.p95_cores();
  return {
      .sample_count = std::max<std::int64_t>(use.sample_count(), 0),
      .p95_cores = cores > 0 ? std::min<double>(cores, kMostCpus) : 0,
      .peak_memory_bytes = std::clamp<std::int64_t>(use.peak_memory_bytes(), 0, kMostMemoryBytes)};
}

}  // namespace

absl::StatusOr<ServerInfo> RegistryClient::GetServer(const std::string& server) {
  registry::v1::GetServerForServiceRequest request;
  request.set_name(absl::StrCat("sourceServers/", server));
  registry::v1::ServerForService answer;
  RETURN_IF_ERROR(CallPeer("registry.GetServerForService", [&](grpc::ClientContext& context) {
    return stub_->GetServerForService(&context, request, &answer);
  }));
  const registry::v1::SourceProperties& properties = answer.source_server().properties();
  ServerInfo out{
      .hostname = properties.hostname(),
      .boot_mode = properties.boot_mode(),
      .memory_bytes = std::clamp<std::int64_t>(properties.ram_bytes(), 0, kMostMemoryBytes),
      .nics = Nics(properties),
      .os_family = properties.os().family(),
      .tags = {answer.source_server().tags().begin(), answer.source_server().tags().end()}};
  std::int64_t cores = 0;
  for (const auto& cpu : properties.cpus()) cores += std::max(cpu.core_count(), 0);
  out.use = Use(properties.use());
  out.core_count = static_cast<int>(std::min<std::int64_t>(cores, kMostCpus));
  return out;
}

absl::Status RegistryClient::ReportLaunch(const LaunchReport& report) {
  registry::v1::ReportLaunchRequest request;
  request.set_source_server(absl::StrCat("sourceServers/", report.server));
  request.set_job(absl::StrCat("jobs/", report.job_id));
  request.set_type(static_cast<v1::Job::Type>(report.type));
  request.set_launch_status(static_cast<v1::ParticipatingServer::LaunchStatus>(report.status));
  if (report.machine.has_value()) *request.mutable_machine() = ToMessage(*report.machine);
  request.set_request_id(report.request_id);
  registry::v1::ReportResponse answer;
  return CallPeer("registry.ReportLaunch", [&](grpc::ClientContext& context) {
    return stub_->ReportLaunch(&context, request, &answer);
  });
}

}  // namespace godwit::jobs
