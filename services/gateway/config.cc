#include "services/gateway/config.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/flags.h"
#include "services/common/base/status_macros.h"

namespace godwit::gateway {
namespace {

bool IsRegion(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

absl::Status Check(const Config& config) {
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string*>{"tls-dir", &config.tls_dir},
        {"registry", &config.endpoints.registry},
        {"replication", &config.endpoints.replication},
        {"jobs", &config.endpoints.jobs}}) {
    if (value->empty()) return absl::InvalidArgumentError(absl::StrCat("--", name, " is required"));
  }
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together");
  }
  if (!std::all_of(config.enrollment.begin(), config.enrollment.end(), [](char c) {
        return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
      })) {
    return absl::InvalidArgumentError("--enrollment: must be HOST:PORT");
  }
  for (const std::string& region : config.regions) {
    if (!IsRegion(region)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--region: \"", region, "\" must be letters a-z, digits and dashes"));
    }
  }
  if (config.account.size() != 12 ||
      !std::all_of(config.account.begin(), config.account.end(), absl::ascii_isdigit)) {
    return absl::InvalidArgumentError("--account: must be 12 digits");
  }
  return absl::OkStatus();
}

}  // namespace

std::string Config::certificate_file() const {
  return tls_cert.empty() ? absl::StrCat(tls_dir, "/tls.crt") : tls_cert;
}
std::string Config::key_file() const {
  return tls_key.empty() ? absl::StrCat(tls_dir, "/tls.key") : tls_key;
}

absl::Status ParseConfig(int argc, const char* const* argv, Config* config) {
  auto connections = static_cast<std::int64_t>(config->limits.connections);
  auto of_address = static_cast<std::int64_t>(config->limits.connections_of_address);
  Flags flags("godwit-gateway", "Serves the API of AWS MGN over HTTPS.");
  flags.String("listen", &config->listen, "address:port to serve HTTPS on; port 0 chooses one");
  flags.String(
      "tls-dir", &config->tls_dir,
      "folder with tls.crt, tls.key and ca.crt of service/gateway, for the other services");
  flags.String("tls-cert", &config->tls_cert,
               "certificate chain shown to clients, PEM; empty: tls.crt of --tls-dir; read again "
               "when it changes");
  flags.String("tls-key", &config->tls_key, "its key, PEM");
  flags.String("metrics-listen", &config->metrics_listen,
               "address:port of /healthz, /readyz and /metrics, plain HTTP; empty: none");
  flags.String("registry", &config->endpoints.registry, "host:port of godwit-registry");
  flags.String("replication", &config->endpoints.replication, "host:port of godwit-replication");
  flags.String("jobs", &config->endpoints.jobs, "host:port of godwit-jobs");
  flags.String("access-keys", &config->endpoints.access_keys,
               "host:port of the registry that keeps access keys; empty: --registry");
  flags.String("documents", &config->documents_dir,
               "folder of the scripts that post-launch actions may name; empty: none");
  flags.Strings("region", &config->regions,
                "region that requests may be signed for; without any: us-east-1");
  flags.String("account", &config->account, "account number in ARNs, 12 digits");
  flags.Int("workers", &config->workers, 1, 256, "requests worked on at once");
  flags.Int("connections", &connections, 1, 100'000, "most connections of clients");
  flags.Int("connections-per-address", &of_address, 1, 100'000, "most of one address");
  flags.String(
      "install-dir", &config->install_dir,
      "folder with packages of the agent, offered with /install.sh to whoever asks; empty: "
      "no installer");
  flags.String("enrollment", &config->enrollment,
               "host:port of the registry's enrolment port as agents reach it, for the installer");
  flags.Duration("drain-delay", &config->drain_delay,
                 "how long to serve on, not ready, after the signal to end");
  flags.Duration("drain-time", &config->drain_time, "how long running requests may then take");
  ASSIGN_OR_RETURN(const std::vector<std::string> rest, flags.Parse(argc, argv));
  if (!rest.empty()) return absl::InvalidArgumentError(absl::StrCat("unknown argument ", rest[0]));
  if (config->regions.empty()) config->regions = {"us-east-1"};
  config->limits.connections = static_cast<std::size_t>(connections);
  config->limits.connections_of_address = static_cast<std::size_t>(of_address);
  return Check(*config);
}

}  // namespace godwit::gateway
