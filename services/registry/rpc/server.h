// The registry as a running server: both ports, the outbox sender, everything between.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/metrics/metrics.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"
#include "services/registry/clients/webhook_sender.h"
#include "services/registry/domain/group_limits.h"
#include "services/registry/domain/lifecycle.h"
#include "services/registry/domain/quotas.h"
#include "services/registry/domain/replication_told.h"
#include "services/registry/storage/access_key_store.h"

namespace godwit::registry {

struct ServerConfig {
  std::string listen = "127.0.0.1:7443";
  std::string enroll_listen = "127.0.0.1:7444";
  std::string database;  // libpq conninfo
  std::string jobs, replication;
  // As agents reach them; empty: as they are known here.
  std::string advertise, advertise_replication;
  Profile profile = Profile::kStrict;
  rpc::TlsMaterial tls;
  rpc::CaMaterial ca;
  absl::Duration agent_certificate_lifetime = absl::Hours(24);
  int max_database_connections = 16;
  std::string master_key_file;  // keeps the secrets of access keys; empty: there are none
  storage::AccessKeyLimits access_key_limits;
  Quotas quotas;
  GroupLimits group_limits;
  absl::Duration health_pause = absl::Seconds(10);  // between looks at how replication goes
  ToldLimits told;                                  // of events about it
  std::string transfer_dir;  // holds the buckets of imports and exports; empty: there are none
  WebhookSender::Options webhooks;  // without the master key file
};

class RegistryServer {
 public:
  // Serves when it returns. `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<RegistryServer>> Start(const ServerConfig& config,
                                                               Clock& clock);
  virtual ~RegistryServer() = default;  // stops
  virtual int port() const = 0;
  virtual int enroll_port() const = 0;
  // Its figures for Prometheus.
  virtual void Collect(Samples& to) = 0;
};

}  // namespace godwit::registry
