// What `install` leaves for `run`: identity, endpoints, chosen disks.
#pragma once

#include <cstdint>
#include <functional>
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

// A disk that was replicated at some time.
struct KnownDisk {
  std::string disk_id;
  std::string base_id;          // what its identity alone gives
  std::int64_t generation = 1;  // 1: disk_id is base_id; one more for each size it had since
  std::string identity;
  std::string device_name;
  std::uint64_t size_bytes = 0;
  bool is_boot_disk = false;
  // Of the kernel's for the device; another one: the device was away meanwhile.
  std::string sequence;
  // The operator said that it is gone. Kept so that its id is not given again.
  bool forgotten = false;
  bool operator==(const KnownDisk&) const = default;
};

struct Installation {
  std::string server;    // s-...
  std::string registry;  // host:port
  std::string replication;
  std::string disk_seed;
  std::int64_t certificate_generation = 0;
  std::vector<std::string> disk_ids;  // base ids of those chosen; empty: all
  bool all_disks = false;             // also those that come later, whatever disk_ids says
  std::vector<KnownDisk> disks;
};

// NOT_FOUND when the agent is not installed.
absl::StatusOr<Installation> LoadInstallation(const std::string& folder = kStateFolder);
absl::Status SaveInstallation(const Installation& installation,
                              const std::string& folder = kStateFolder);
// Loads, changes and saves, one process at a time. What was saved.
absl::StatusOr<Installation> UpdateInstallation(
    const std::function<absl::Status(Installation& installation)>& change,
    const std::string& folder = kStateFolder);
std::string TlsFolder(const std::string& folder = kStateFolder);
// Key and certificate change together: a new folder, then one rename of the link to it.
absl::Status SaveTls(const rpc::TlsMaterial& tls, const std::string& folder = kStateFolder);

}  // namespace godwit::agent
