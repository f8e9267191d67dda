// What `install` leaves for `run`: identity, endpoints, chosen disks.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/rpc/channel.h"

namespace godwit::agent {

// Where everything is. Conversion removes exactly these from a launched machine.
inline constexpr char kBinary[] = "/usr/local/sbin/godwit-agent";
inline constexpr char kUnit[] = "/etc/systemd/system/godwit-agent.service";
inline constexpr char kStateFolder[] = "/var/lib/godwit-agent";
inline constexpr char kRunFolder[] = "/run/godwit-agent";

struct Installation {
  std::string server;    // s-...
  std::string registry;  // host:port
  std::string replication;
  std::string disk_seed;
  std::int64_t certificate_generation = 0;
  std::vector<std::string> disk_ids;  // chosen; empty: all
};

// NOT_FOUND when the agent is not installed.
absl::StatusOr<Installation> LoadInstallation(const std::string& folder = kStateFolder);
absl::Status SaveInstallation(const Installation& installation,
                              const std::string& folder = kStateFolder);
std::string TlsFolder(const std::string& folder = kStateFolder);
// Key and certificate change together: a new folder, then one rename of the link to it.
absl::Status SaveTls(const rpc::TlsMaterial& tls, const std::string& folder = kStateFolder);

}  // namespace godwit::agent
