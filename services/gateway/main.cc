// godwit-gateway: the API of AWS MGN over HTTPS. Stateless; everything it shows and does is the
// other services'.
#include <atomic>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"
#include "services/common/base/json_log.h"
#include "services/common/base/mutex_checks.h"
#include "services/common/base/notify.h"
#include "services/common/base/signals.h"
#include "services/common/base/standstill.h"
#include "services/common/base/status_macros.h"
#include "services/common/metrics/certificate_metrics.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/ca.h"
#include "services/gateway/clients/access_key_client.h"
#include "services/gateway/clients/connections.h"
#include "services/gateway/config.h"
#include "services/gateway/http/server.h"
#include "services/gateway/http/tls_contexts.h"
#include "services/gateway/http/watchdog.h"
#include "services/gateway/http/worker_pool.h"
#include "services/gateway/install/installer.h"
#include "services/gateway/mgn/face.h"
#include "services/gateway/sigv4/key_cache.h"

namespace godwit::gateway {
namespace {

Response Text(int status, std::string text) {
  return {.status = status,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = std::move(text)};
}

// The plain listener for the neighbourhood: life, readiness, metrics.
absl::StatusOr<std::unique_ptr<HttpServer>> ServeHealth(const std::string& listen,
                                                        const MetricsServer& metrics,
                                                        const std::atomic<bool>& ready) {
  if (listen.empty()) return nullptr;
  return HttpServer::Start(
      {.listen = listen,
       .limits = {.connections = 64, .connections_of_address = 64},
       .threads = 1,
       .handle =
           [&](Request request, std::function<void(Response)> answer) {
             const absl::string_view path = request.head.path();
             if (request.head.method != "GET") return answer(Text(405, "only GET\n"));
             if (path == "/healthz") return answer(Text(200, "ok\n"));
             if (path == "/readyz") {
               return answer(ready ? Text(200, "ready\n") : Text(503, "not ready\n"));
             }
             if (path == "/metrics") return answer(Text(200, metrics.Text()));
             answer(Text(404, "there are /healthz, /readyz and /metrics\n"));
           },
       .refuse = [](const HeadFault& fault,
                    const std::string&) { return Text(fault.status, fault.message + "\n"); }});
}

void CollectServer(const HttpServer& server, const WorkerPool& pool, Samples& to) {
  const ServerCounts counts = server.counts();
  to.Gauge("godwit_gateway_connections", "Connections of clients.", {},
           static_cast<double>(counts.connections));
  to.Gauge("godwit_gateway_waiting_requests", "Requests that wait for a thread.", {},
           static_cast<double>(pool.waiting()));
  to.Counter("godwit_gateway_accepted_connections_total", "Connections taken.", {},
             static_cast<double>(counts.accepted));
  to.Counter("godwit_gateway_refused_connections_total", "Connections over a limit.", {},
             static_cast<double>(counts.refused));
  to.Counter("godwit_gateway_timeouts_total", "Requests that took a client too long.", {},
             static_cast<double>(counts.timed_out));
  to.Counter("godwit_gateway_malformed_requests_total", "Requests that could not be read.", {},
             static_cast<double>(counts.malformed));
}

void CollectFace(const mgn::Face& face, Samples& to) {
  for (const auto& [key, value] : face.counts()) {
    const Samples::Labels labels = {{"operation", key.first}, {"status", absl::StrCat(key.second)}};
    to.Counter("godwit_gateway_requests_total", "Requests answered.", labels,
               static_cast<double>(value.count));
    to.Counter("godwit_gateway_request_seconds_total", "Time spent on them.", labels,
               value.seconds);
  }
}

// When what clients are shown ends.
void CollectClientCertificate(const std::string& file, Samples& to) {
  const absl::StatusOr<std::string> pem = ReadFile(file, 1 << 20);
  if (!pem.ok()) return;
  const absl::StatusOr<absl::Time> end = rpc::NotAfter(*pem);
  if (!end.ok()) return;
  to.Gauge("godwit_certificate_expiry_timestamp_seconds",
           "When the certificate ends: the service's own, or the first of those it trusts.",
           {{"certificate", "clients"}}, absl::ToDoubleSeconds(*end - absl::UnixEpoch()));
}

// Until a signal comes: looks after the certificate and the readiness.
void Watch(const Connections& connections, TlsContexts& tls, std::atomic<bool>& ready) {
  do {
    const bool now = connections.Ready(absl::Seconds(1));
    if (now != ready.exchange(now)) {
      Log(Severity::kInfo, now ? "ready" : "the registry cannot be reached");
    }
    const absl::StatusOr<bool> fresh = tls.Refresh();
    if (!fresh.ok()) {
      Log(Severity::kWarning, "the changed certificate is not used",
          {{"error", std::string(fresh.status().message())}});
    } else if (*fresh) {
      Log(Severity::kInfo, "new certificate");
    }
  } while (!WaitForShutdownSignal(absl::Seconds(2)));
  ready = false;
}

absl::Status RunService(const Config& config) {
  ASSIGN_OR_RETURN(const rpc::TlsMaterial peer_tls, rpc::LoadWatchedTls(config.tls_dir));
  ASSIGN_OR_RETURN(const auto tls, TlsContexts::Load(config.certificate_file(), config.key_file()));
  const Connections connections(config.endpoints, peer_tls, config.documents_dir);
  AccessKeyClient registry_keys(connections.access_keys());
  sigv4::KeyCache keys(registry_keys, RealClock());
  mgn::Face face({.rules = {.regions = config.regions}, .account = config.account},
                 connections.services(), keys, RealClock());
  Installer installer({.dir = config.install_dir,
                       .ca_file = config.tls_dir + "/ca.crt",
                       .enrollment = config.enrollment});
  std::atomic<bool> ready = false;
  const std::unique_ptr<MetricsServer> metrics = MetricsServer::Unserved(GODWIT_VERSION);
  ASSIGN_OR_RETURN(const auto health, ServeHealth(config.metrics_listen, *metrics, ready));
  WorkerPool pool(static_cast<int>(config.workers), /*queue=*/256);
  ASSIGN_OR_RETURN(
      const std::unique_ptr<HttpServer> server,
      HttpServer::Start({.listen = config.listen,
                         .tls = tls.get(),
                         .limits = config.limits,
                         .handle =
                             [&](Request request, std::function<void(Response)> answer) {
                               const std::string id = request.id;
                               // Its client may have sent it again to another gateway since.
                               if (StoodStill()) {
                                 Log(Severity::kWarning, "request refused after a standstill",
                                     {{"peer", request.client_address}});
                                 return answer(mgn::OverloadedResponse(id));
                               }
                               const bool taken =
                                   pool.Submit([&, request = std::move(request), answer] {
                                     answer(Installer::Wants(request.head.path())
                                                ? installer.Answer(request)
                                                : face.Handle(request));
                                   });
                               if (!taken) answer(mgn::OverloadedResponse(id));
                             },
                         .refuse = mgn::FaultResponse}));
  metrics->Add(CertificateEnds(config.tls_dir));
  metrics->Add([&](Samples& to) {
    to.Gauge("godwit_ready", "1 while the process can answer calls.", {}, ready ? 1 : 0);
    CollectClientCertificate(config.certificate_file(), to);
    CollectServer(*server, pool, to);
    CollectFace(face, to);
  });
  WatchStandstill();
  Log(Severity::kInfo, "serving",
      {{"port", absl::StrCat(server->port())},
       {"metrics_port", absl::StrCat(health == nullptr ? 0 : health->port())},
       {"regions", absl::StrJoin(config.regions, ",")},
       {"account", config.account}});
  NotifyManager("READY=1");
  {
    const Watchdog watchdog(*server, pool);
    Watch(connections, *tls, ready);
  }
  NotifyManager("STOPPING=1");
  Log(Severity::kInfo, "stopping");
  absl::SleepFor(config.drain_delay);
  server->Stop(config.drain_time);
  pool.Stop();  // before the server goes, whose requests it answers
  if (health != nullptr) health->Stop(absl::Seconds(1));
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit::gateway

int main(int argc, char** argv) {
  godwit::LeaveOutMutexChecks();
  godwit::BlockShutdownSignals();
  godwit::InitLog("gateway");
  godwit::gateway::Config config;
  if (const absl::Status parsed = godwit::gateway::ParseConfig(argc, argv, &config); !parsed.ok()) {
    if (absl::IsCancelled(parsed)) return 0;
    std::fprintf(stderr, "godwit-gateway: %s\n", std::string(parsed.message()).c_str());
    return 2;
  }
  if (const absl::Status status = godwit::gateway::RunService(config); !status.ok()) {
    godwit::Log(godwit::Severity::kError, "cannot run", {{"error", std::string(status.message())}});
    return 1;
  }
  return 0;
}
