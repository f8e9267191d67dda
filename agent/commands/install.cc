#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/commands/commands.h"
#include "agent/commands/system.h"
#include "agent/discovery/disks.h"
#include "agent/discovery/properties.h"
#include "agent/state/installation.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::agent {
namespace pb = ::godwit::registry::v1;
namespace {

struct Options {
  std::string registry, token, token_file, ca_pin, user_provided_id;
  std::vector<std::string> disks, exclude, tags;
  bool no_replication = false, no_start = false;
};

absl::StatusOr<std::string> Token(const Options& options) {
  std::string token = options.token;
  if (!options.token_file.empty()) {
    ASSIGN_OR_RETURN(token, ReadFile(options.token_file, 4096));
  }
  token = std::string(absl::StripAsciiWhitespace(token));
  if (token.empty()) {
    return absl::InvalidArgumentError(
        "--token-file (or --token) is needed; make a token with \"godwit tokens create\"");
  }
  return token;
}

absl::StatusOr<std::vector<FoundDisk>> Choose(const Options& options,
                                              const std::vector<FoundDisk>& found) {
  const auto named = [](const std::vector<std::string>& names, const FoundDisk& disk) {
    return std::find(names.begin(), names.end(), disk.device_name) != names.end() ||
           std::find(names.begin(), names.end(), disk.name) != names.end();
  };
  for (const std::vector<std::string>* names : {&options.disks, &options.exclude}) {
    for (const std::string& name : *names) {
      const auto is = [&](const FoundDisk& disk) { return named({name}, disk); };
      if (std::none_of(found.begin(), found.end(), is)) {
        std::string known;
        for (const FoundDisk& disk : found) absl::StrAppend(&known, " ", disk.device_name);
        return absl::InvalidArgumentError(
            absl::StrCat(name, " is no disk of this machine; it has:", known));
      }
    }
  }
  std::vector<FoundDisk> chosen;
  for (const FoundDisk& disk : found) {
    if (!options.disks.empty() && !named(options.disks, disk)) continue;
    if (!named(options.exclude, disk)) chosen.push_back(disk);
  }
  if (chosen.empty()) return absl::InvalidArgumentError("no disk is left to replicate");
  if (chosen.size() > 50)
    return absl::InvalidArgumentError("more than 50 disks: choose with --disk or --exclude-disk");
  const auto boots = [](const FoundDisk& disk) { return disk.is_boot_disk; };
  if (std::none_of(chosen.begin(), chosen.end(), boots)) {
    std::fprintf(stderr,
                 "warning: the boot disk is not among the chosen disks; the copy will not boot\n");
  }
  return chosen;
}

// Links to devices (/dev/mapper, /dev/disk/by-id) become what they lead to.
std::vector<std::string> Resolved(std::vector<std::string> names) {
  for (std::string& name : names) {
    std::error_code error;
    const std::filesystem::path device = std::filesystem::canonical(name, error);
    if (!error && absl::StartsWith(name, "/")) name = device.string();
  }
  return names;
}

absl::Status Enroll(Options options) {
  options.disks = Resolved(std::move(options.disks));
  options.exclude = Resolved(std::move(options.exclude));
  if (geteuid() != 0)
    return absl::PermissionDeniedError("the agent reads whole disks: run this as root");
  if (options.registry.empty())
    return absl::InvalidArgumentError("--registry HOST:PORT is needed (the enrolment port)");
  if (options.ca_pin.size() != 64) {
    return absl::InvalidArgumentError(
        "--ca-pin is needed: 64 hex digits, printed by \"godwit tokens create\"");
  }
  if (const auto present = LoadInstallation(); present.ok()) {
    std::printf("already installed as %s; program and unit are brought up to date\n",
                present->server.c_str());
    RETURN_IF_ERROR(PlaceProgram());
    if (options.no_start || !HasSystemd()) return absl::OkStatus();
    RETURN_IF_ERROR(Systemctl({"enable", "godwit-agent.service"}));
    return Systemctl({"restart", "godwit-agent.service"});
  }
  ASSIGN_OR_RETURN(const std::string token, Token(options));
  ASSIGN_OR_RETURN(const std::string mountinfo, ReadFile("/proc/self/mountinfo"));
  ASSIGN_OR_RETURN(const std::vector<FoundDisk> found,
                   FindDisks("/sys", mountinfo, "/dev", options.disks));
  ASSIGN_OR_RETURN(const std::vector<FoundDisk> chosen, Choose(options, found));

  Installation installation{.disk_seed = NewUuid()};
  for (const FoundDisk& disk : chosen)
    installation.disk_ids.push_back(DiskId(installation.disk_seed, disk));
  installation.all_disks = options.disks.empty() && options.exclude.empty();
  const DiskPlan plan = PlanDisks(installation, found);
  if (!plan.problem.empty()) return absl::InvalidArgumentError(plan.problem);
  installation.disks = plan.known;
  installation.disk_ids.clear();
  for (const KnownDisk& disk : plan.known) installation.disk_ids.push_back(disk.base_id);
  for (const ReportedDisk& each : plan.disks) {
    std::printf("disk %s, %.1f GiB%s%s\n", each.disk.device_name.c_str(),
                static_cast<double>(each.disk.size_bytes) / (1 << 30),
                each.disk.is_boot_disk ? " (boot)" : "",
                each.replicated ? "" : (", not replicated: " + each.reason).c_str());
  }

  ASSIGN_OR_RETURN(const std::string ca,
                   rpc::FetchPinnedCa(options.registry, options.ca_pin, absl::Seconds(20)));
  ASSIGN_OR_RETURN(const rpc::KeyAndCsr key, rpc::MakeKeyAndCsr("godwit-agent"));
  pb::EnrollRequest request;
  request.set_token(token);
  request.set_csr_pem(key.csr_pem);
  *request.mutable_properties() = Discover(plan.disks);
  request.set_user_provided_id(options.user_provided_id);
  for (const std::string& tag : options.tags) {
    const std::vector<std::string> pair = absl::StrSplit(tag, absl::MaxSplits('=', 1));
    if (pair.size() != 2)
      return absl::InvalidArgumentError(absl::StrCat("--tag ", tag, ": KEY=VALUE is needed"));
    (*request.mutable_tags())[pair[0]] = pair[1];
  }
  request.set_request_id(NewUuid());
  request.set_no_replication(options.no_replication);
  ASSIGN_OR_RETURN(const rpc::Identity registry, rpc::ParsePrincipal("service/registry"));
  const auto stub =
      pb::EnrollmentService::NewStub(rpc::DialWithoutCertificate(options.registry, registry, ca));
  pb::EnrollResponse response;
  RETURN_IF_ERROR(rpc::Retry(absl::Seconds(60), [&] {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    return rpc::FromGrpc(stub->Enroll(&context, request, &response));
  }));
  ASSIGN_OR_RETURN(installation.server,
                   ParseName("source_server", "sourceServers", "s-", response.source_server()));
  installation.registry = response.endpoints().registry();
  installation.replication = response.endpoints().replication();
  installation.certificate_generation = response.certificate_generation();
  RETURN_IF_ERROR(SaveTls({.certificate_chain = response.certificate_chain_pem(),
                           .private_key = key.private_key_pem,
                           .ca = response.ca_pem()}));
  RETURN_IF_ERROR(SaveInstallation(installation));
  RETURN_IF_ERROR(PlaceProgram());
  std::printf("enrolled as %s\n", installation.server.c_str());
  if (options.no_start) return absl::OkStatus();
  if (!HasSystemd()) {
    std::printf("this machine has no systemd: keep \"%s run\" running\n", kBinary);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Systemctl({"enable", "--now", "godwit-agent.service"}));
  std::printf("godwit-agent.service runs; see \"godwit-agent status\"\n");
  return absl::OkStatus();
}

}  // namespace

int Install(int argc, const char* const* argv) {
  Options options;
  Flags flags("godwit-agent install",
              "Enrols this machine as a source server and starts its replication.");
  flags.String("registry", &options.registry, "host:port of the registry's enrolment port");
  flags.String("token-file", &options.token_file, "file with the installation token");
  flags.String(
      "token", &options.token,
      "the installation token itself (other users can see arguments: prefer --token-file)");
  flags.String("ca-pin", &options.ca_pin, "SHA-256 of the installation's CA certificate, hex");
  flags.Strings("disk", &options.disks,
                "replicate this disk alone; may be repeated (default: all disks, but no dm, md, "
                "zram, loop or network devices; those must be named)");
  flags.Strings("exclude-disk", &options.exclude, "do not replicate this disk; may be repeated");
  flags.Strings("tag", &options.tags, "KEY=VALUE; may be repeated");
  flags.String("user-provided-id", &options.user_provided_id,
               "your own id; joins an imported server");
  flags.Bool("no-replication", &options.no_replication, "enrol only; start replication later");
  flags.Bool("no-start", &options.no_start, "do not start the service");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-agent install: %s\n",
                 std::string(rest.status().message()).c_str());
    return 2;
  }
  const absl::Status status = Enroll(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "godwit-agent install: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace godwit::agent
