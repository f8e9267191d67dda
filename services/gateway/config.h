// The settings of godwit-gateway, from flags and file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/gateway/clients/connections.h"
#include "services/gateway/http/server.h"

namespace godwit::gateway {

struct Config {
  std::string listen = "127.0.0.1:9443";
  std::string metrics_listen = "127.0.0.1:9444";
  std::string tls_dir;
  std::string tls_cert, tls_key;
  Endpoints endpoints;
  std::vector<std::string> regions;
  std::string account = "000000000000";
  std::string documents_dir;
  ServerLimits limits;
  std::int64_t workers = 32;
  std::string install_dir, enrollment;  // see InstallOptions
  absl::Duration drain_delay = absl::ZeroDuration();
  absl::Duration drain_time = absl::Seconds(30);

  // What clients are shown: --tls-cert and --tls-key, else the gateway's own of --tls-dir.
  std::string certificate_file() const;
  std::string key_file() const;
};

// CANCELLED: --help was printed. INVALID_ARGUMENT names what is wrong.
absl::Status ParseConfig(int argc, const char* const* argv, Config* config);

}  // namespace godwit::gateway
