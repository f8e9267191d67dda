// godwit-registry: source servers, their life cycle, enrolment and the internal CA.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/flags.h"
#include "services/common/base/json_log.h"
#include "services/common/base/mutex_checks.h"
#include "services/common/base/signals.h"
#include "services/common/base/status_macros.h"
#include "services/common/metrics/certificate_metrics.h"
#include "services/common/metrics/metrics.h"
#include "services/registry/ca_commands.h"
#include "services/registry/event_options.h"
#include "services/registry/rpc/server.h"

namespace godwit::registry {
namespace {

absl::Status NoMore(const std::vector<std::string>& rest) {
  if (rest.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("unexpected argument \"", rest[0], "\""));
}

absl::Status RunCaInit(int argc, const char* const* argv) {
  std::string dir;
  Flags flags("godwit-registry ca-init", "Makes the certificate authority of an installation.");
  flags.String("dir", &dir, "folder for ca.crt and ca.key");
  ASSIGN_OR_RETURN(const std::vector<std::string> rest, flags.Parse(argc, argv));
  RETURN_IF_ERROR(NoMore(rest));
  return CaInit(dir, RealClock().Now());
}

absl::Status RunCaIssue(int argc, const char* const* argv) {
  CaIssueOptions options;
  Flags flags("godwit-registry ca-issue", "Issues a certificate of the installation's CA.");
  flags.String("dir", &options.ca_dir, "folder of the CA");
  flags.String("identity", &options.identity,
               "service/NAME, worker/ID, conversion-worker/NAME or user/ROLE/NAME");
  flags.String("out", &options.out_dir, "folder for tls.crt, tls.key and ca.crt");
  flags.Duration("lifetime", &options.lifetime, "how long it is good");
  flags.Strings("server-name", &options.server_names,
                "DNS name or IP address under which clients know the service, for the gateway");
  ASSIGN_OR_RETURN(const std::vector<std::string> rest, flags.Parse(argc, argv));
  RETURN_IF_ERROR(NoMore(rest));
  return CaIssue(options, RealClock().Now());
}

absl::Status Required(absl::string_view flag, const std::string& value) {
  if (!value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": is required"));
}

void AddQuotas(Flags& flags, Quotas* quotas) {
  flags.Int("quota-active-source-servers", &quotas->active_source_servers, 1, kMostOfAQuota,
            "most source servers that replicate");
  flags.Int("quota-unarchived-source-servers", &quotas->unarchived_source_servers, 1, kMostOfAQuota,
            "most source servers that are not archived");
  flags.Int("quota-source-servers", &quotas->source_servers, 1, kMostOfAQuota,
            "most source servers, archived ones included");
}

void AddGroupLimits(Flags& flags, GroupLimits* limits) {
  constexpr std::int64_t kMost = 1'000'000;
  flags.Int("quota-servers-per-application", &limits->servers_per_application, 1, kMost,
            "most servers of one application");
  flags.Int("quota-applications-per-wave", &limits->applications_per_wave, 1, kMost,
            "most applications of one wave");
  flags.Int("quota-active-applications", &limits->active_applications, 1, kMost,
            "most applications that are not archived");
  flags.Int("quota-active-waves", &limits->active_waves, 1, kMost,
            "most waves that are not archived");
  flags.Int("quota-archived-applications", &limits->archived_applications, 1, kMost,
            "most archived applications");
  flags.Int("quota-archived-waves", &limits->archived_waves, 1, kMost, "most archived waves");
}

absl::Status RunServer(int argc, const char* const* argv) {
  ServerConfig config;
  std::string tls_dir, ca_dir, metrics_listen, profile = "strict";
  std::int64_t connections = config.max_database_connections;
  std::int64_t keys_of_user = config.access_key_limits.of_principal;
  std::int64_t keys = config.access_key_limits.all;
  Flags flags("godwit-registry", "Keeps source servers and their life cycle; enrols agents.");
  flags.String("listen", &config.listen, "address:port to serve on");
  flags.String("enroll-listen", &config.enroll_listen,
               "address:port for enrolment, without client certificates");
  flags.String("database", &config.database, "PostgreSQL, as libpq conninfo");
  flags.Int("database-connections", &connections, 2, 200, "most connections to the database");
  flags.String("tls-dir", &tls_dir, "folder with tls.crt, tls.key and ca.crt");
  flags.String("ca-dir", &ca_dir, "folder with ca.crt and ca.key");
  flags.String("metrics-listen", &metrics_listen, kMetricsListenHelp);
  flags.String("jobs", &config.jobs, "host:port of the job service");
  flags.String("replication", &config.replication, "host:port of the replication service");
  flags.String("advertise", &config.advertise, "host:port of this service for agents");
  flags.String("advertise-replication", &config.advertise_replication,
               "host:port of the replication service for agents");
  flags.String("lifecycle-profile", &profile, "strict, or lenient as some scripts for MGN need");
  flags.String("master-key-file", &config.master_key_file,
               "keeps the secrets of access keys (made by `godwit-replication-worker keys "
               "generate`); empty: there are no access keys");
  flags.Int("access-keys-of-user", &keys_of_user, 1, 1000, "most access keys of one user");
  flags.Int("access-keys", &keys, 1, 1'000'000, "most access keys");
  AddQuotas(flags, &config.quotas);
  AddGroupLimits(flags, &config.group_limits);
  flags.String(
      "transfer-dir", &config.transfer_dir,
      "folder whose folders are the buckets of inventory imports and exports; empty: there "
      "are none");
  flags.Duration("agent-certificate-lifetime", &config.agent_certificate_lifetime,
                 "of certificates for agents");
  EventOptions events;
  AddEventFlags(flags, events);
  ASSIGN_OR_RETURN(const std::vector<std::string> rest, flags.Parse(argc, argv));
  RETURN_IF_ERROR(NoMore(rest));
  ASSIGN_OR_RETURN(config.webhooks, WebhookOptionsOf(events));
  RETURN_IF_ERROR(CheckToldLimits(events.told));
  config.told = events.told;
  RETURN_IF_ERROR(Required("database", config.database));
  RETURN_IF_ERROR(Required("tls-dir", tls_dir));
  RETURN_IF_ERROR(Required("ca-dir", ca_dir));
  RETURN_IF_ERROR(Required("jobs", config.jobs));
  RETURN_IF_ERROR(Required("replication", config.replication));
  if (config.advertise.empty()) config.advertise = config.listen;
  if (config.advertise_replication.empty()) config.advertise_replication = config.replication;
  config.max_database_connections = static_cast<int>(connections);
  config.access_key_limits = {.of_principal = static_cast<int>(keys_of_user),
                              .all = static_cast<int>(keys)};
  const std::optional<Profile> parsed = ParseProfile(profile);
  if (!parsed) return absl::InvalidArgumentError("--lifecycle-profile: strict or lenient");
  config.profile = *parsed;
  if (config.agent_certificate_lifetime < absl::Minutes(1) ||
      config.agent_certificate_lifetime > absl::Hours(24 * 30)) {
    return absl::InvalidArgumentError("--agent-certificate-lifetime: from 1m to 720h");
  }
  ASSIGN_OR_RETURN(config.tls, rpc::LoadWatchedTls(tls_dir));
  ASSIGN_OR_RETURN(config.ca, LoadCa(ca_dir));

  ASSIGN_OR_RETURN(const std::unique_ptr<RegistryServer> server,
                   RegistryServer::Start(config, RealClock()));
  ASSIGN_OR_RETURN(const auto metrics, MetricsServer::Start(metrics_listen, GODWIT_VERSION));
  metrics->Add([&server](Samples& to) { server->Collect(to); });
  Log(Severity::kInfo, "serving",
      {{"port", absl::StrCat(server->port())},
       {"enroll_port", absl::StrCat(server->enroll_port())},
       {"lifecycle_profile", profile}});
  WaitForShutdownSignal();
  Log(Severity::kInfo, "stopping");
  return absl::OkStatus();
}

absl::Status Run(int argc, const char* const* argv) {
  const absl::string_view command = argc > 1 ? argv[1] : "";
  if (command == "ca-init") return RunCaInit(argc - 1, argv + 1);
  if (command == "ca-issue") return RunCaIssue(argc - 1, argv + 1);
  return RunServer(argc, argv);
}

}  // namespace
}  // namespace godwit::registry

int main(int argc, char** argv) {
  godwit::LeaveOutMutexChecks();
  godwit::BlockShutdownSignals();
  godwit::InitLog("registry");
  const absl::Status status = godwit::registry::Run(argc, argv);
  if (status.ok() || absl::IsCancelled(status)) return 0;
  godwit::Log(godwit::Severity::kError, "ended", {{"error", status.ToString()}});
  return 1;
}
