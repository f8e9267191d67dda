#include "services/registry/rpc/server.h"

#include <grpcpp/channel.h>
#include <grpcpp/impl/codegen/service_type.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/metrics/quota_metrics.h"
#include "services/common/metrics/service_metrics.h"
#include "services/common/pg/probe.h"
#include "services/common/rpc/deny_list.h"
#include "services/common/rpc/lifeline.h"
#include "services/common/rpc/quotas.h"
#include "services/registry/clients/health_follower.h"
#include "services/registry/domain/installation_token.h"
#include "services/registry/rpc/access_keys.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/registry_metrics.h"
#include "services/registry/rpc/scope_source.h"
#include "services/registry/rpc/server_quotas.h"
#include "services/registry/rpc/transfer_runner.h"
#include "services/registry/rpc/webhooks.h"
#include "services/registry/storage/revocation_store.h"

namespace godwit::registry {
namespace {

constexpr pg::Statement kSchemaPresent = {
    "registry_schema_present", "select to_regclass('registry.source_server') is not null"};

rpc::Identity ServiceIdentity(const char* name) {
  return {.kind = rpc::PeerKind::kService, .id = name};
}

WebhookSender::Options WebhookOptions(const ServerConfig& config) {
  WebhookSender::Options options = config.webhooks;
  options.master_key_file = config.master_key_file;
  return options;
}

class Server final : public RegistryServer {
 public:
  Server(const ServerConfig& config, Clock& clock, std::string ca_pin)
      : pool_({.conninfo = config.database, .max_connections = config.max_database_connections}),
        clock_(clock),
        probe_(config.database, &clock_),
        tls_(config.tls),
        mutator_(pool_),
        sender_(pool_, rpc::Dial(config.jobs, ServiceIdentity("jobs"), config.tls),
                rpc::Dial(config.replication, ServiceIdentity("replication"), config.tls),
                OutboxSender::Options()),
        health_(pool_, rpc::Dial(config.replication, ServiceIdentity("replication"), config.tls),
                {.pause = config.health_pause, .told = config.told}),
        scopes_(pool_, sender_),
        watch_hub_(pool_),
        event_hub_(pool_),
        webhooks_(pool_, WebhookOptions(config)),
        backend_{
            .mutator = mutator_,
            .sender = sender_,
            .watch_hub = watch_hub_,
            .event_hub = event_hub_,
            .webhooks = webhooks_,
            .clock = clock_,
            .profile = config.profile,
            .ca = config.ca,
            .ca_pin = std::move(ca_pin),
            .trusted_cas = config.tls.ca,
            .tls_dir = config.tls.dir,
            .token_key = HashOf(absl::StrCat("installation tokens\n", config.ca.private_key_pem)),
            .registry_endpoint = config.advertise,
            .replication_endpoint = config.advertise_replication,
            .agent_certificate_lifetime = config.agent_certificate_lifetime,
            .master_key_file = config.master_key_file,
            .access_key_limits = config.access_key_limits,
            .quotas = config.quotas,
            .group_limits = config.group_limits},
        transfer_folder_(config.transfer_dir),
        transfers_(backend_, transfer_folder_),
        enroll_(MakeEnrollHandler(backend_)) {
    handlers_.push_back(MakeAgentHandler(backend_));
    handlers_.push_back(MakeTokenHandler(backend_));
    handlers_.push_back(MakeSourceServerHandler(backend_));
    handlers_.push_back(MakeEventHandler(backend_));
    handlers_.push_back(MakeTemplateHandler(backend_));
    handlers_.push_back(MakeFleetHandler(backend_));
    handlers_.push_back(MakeAccessKeyHandler(backend_));
    handlers_.push_back(MakeRevocationHandler(backend_));
    handlers_.push_back(MakeAuditHandler(backend_));
    handlers_.push_back(rpc::MakeQuotaHandler([this] { return ListQuotas(backend_); }));
    handlers_.push_back(MakeConnectorHandler(backend_));
    handlers_.push_back(MakeTransferHandler(backend_, transfer_folder_, transfers_));
    handlers_.push_back(MakeEventServiceHandler(backend_));
    handlers_.push_back(MakeWebhookHandler(backend_));
    handlers_.push_back(MakeScopeHandler(backend_));
  }
  ~Server() override {
    lifeline_.reset();
    watch_hub_.Stop();  // ends the streams, so that the server need not cut them
    event_hub_.Stop();
    webhooks_.Stop();
    if (enroll_server_ != nullptr) enroll_server_->Stop();
    if (server_ != nullptr) server_->Stop();
    transfers_.Stop();
    sender_.Stop();
    health_.Stop();
  }

  absl::Status Run(const ServerConfig& config) {
    ASSIGN_OR_RETURN(const pg::Result present, pool_.Exec(kSchemaPresent));
    if (!present.Bool(0, 0)) {
      return absl::FailedPreconditionError(
          "the database has no registry schema; run godwit-migrate --database CONNINFO");
    }
    RETURN_IF_ERROR(probe_.Check());  // and the time
    if (!config.master_key_file.empty()) {
      ASSIGN_OR_RETURN(const crypt::MasterKeys keys, LoadMasterKeys(config.master_key_file));
      ASSIGN_OR_RETURN(const int rewrapped, RewrapAccessKeys(pool_, keys));
      ASSIGN_OR_RETURN(const int of_webhooks, RewrapWebhooks(pool_, keys));
      if (rewrapped + of_webhooks > 0) {
        Log(Severity::kInfo, "wrapped secrets of access keys and webhooks anew",
            {{"count", absl::StrCat(rewrapped + of_webhooks)}, {"to", keys.current().id}});
      }
    }
    std::vector<grpc::Service*> services;
    for (const auto& handler : handlers_) services.push_back(handler.get());
    ASSIGN_OR_RETURN(
        server_, rpc::Server::Start(
                     {.listen = config.listen, .tls = config.tls, .scopes = &scopes_}, services));
    ASSIGN_OR_RETURN(enroll_server_, rpc::Server::Start({.listen = config.enroll_listen,
                                                         .tls = config.tls,
                                                         .client_auth = rpc::ClientAuth::kNone,
                                                         .max_threads = 16,
                                                         .max_message_bytes = 256 * 1024},
                                                        {enroll_.get()}));
    sender_.Start();
    health_.Start();
    transfers_.Start();
    watch_hub_.Start();
    event_hub_.Start();
    webhooks_.Start();
    deny_list_ =
        std::make_unique<rpc::DenyListFollower>([this] { return Denied(); }, absl::Seconds(1));
    lifeline_ = std::make_unique<rpc::Lifeline>(
        std::vector<rpc::Server*>{server_.get(), enroll_server_.get()},
        rpc::Lifeline::Options{.ready = [this] { return probe_.Check(); }});
    return absl::OkStatus();
  }

  int port() const override { return server_->port(); }
  int enroll_port() const override { return enroll_server_->port(); }
  void Collect(Samples& to) override {
    CollectService(lifeline_.get(), tls_, to);
    CollectPool(pool_, to);
    CollectRegistry(pool_, to);
    if (const auto quotas = ListQuotas(backend_); quotas.ok()) CollectQuotas(*quotas, to);
  }

 private:
  absl::StatusOr<rpc::DenyList> Denied() {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(const std::vector<std::string> subjects,
                     storage::RevokedSubjects(*connection));
    return rpc::DenyList(subjects.begin(), subjects.end());
  }

  pg::Pool pool_;
  pg::DatabaseClock clock_;
  pg::Probe probe_;
  const rpc::TlsMaterial tls_;
  storage::Mutator mutator_;
  OutboxSender sender_;
  HealthFollower health_;
  ScopesOfRegistry scopes_;
  WatchHub watch_hub_;
  EventHub event_hub_;
  WebhookSender webhooks_;
  Backend backend_;
  const storage::TransferFolder transfer_folder_;
  TransferRunner transfers_;
  std::unique_ptr<grpc::Service> enroll_;
  std::vector<std::unique_ptr<grpc::Service>> handlers_;
  std::unique_ptr<rpc::Server> server_, enroll_server_;
  std::unique_ptr<rpc::DenyListFollower> deny_list_;
  std::unique_ptr<rpc::Lifeline> lifeline_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RegistryServer>> RegistryServer::Start(const ServerConfig& config,
                                                                      Clock& clock) {
  ASSIGN_OR_RETURN(std::string pin, rpc::CertificatePin(config.ca.certificate_pem));
  auto server = std::make_unique<Server>(config, clock, std::move(pin));
  RETURN_IF_ERROR(server->Run(config));
  return std::unique_ptr<RegistryServer>(std::move(server));
}

}  // namespace godwit::registry
