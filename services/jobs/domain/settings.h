// How a server is launched, as plain values: the part of the launch settings that jobs act on. The
// numbers of the enums equal those of godwit.jobs.v1.LaunchSettings and are stored.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace godwit::jobs {

enum class BootMode { kUseSource = 1, kLegacyBios = 2, kUefi = 3 };
enum class Disposition { kStarted = 1, kStopped = 2 };
enum class RightSizing { kNone = 1, kBasic = 2, kInUse = 3 };
enum class Network { kIsolated = 1, kUser = 2, kBridge = 3 };

// Limits of the contract, checked once at creation.
inline constexpr std::int64_t kLeastMemoryBytes = 128ll << 20;
inline constexpr std::int64_t kMostMemoryBytes = 64ll << 40;
inline constexpr int kMostCpus = 512;
inline constexpr absl::Duration kDefaultProofTimeout = absl::Minutes(5);
inline constexpr absl::Duration kMostProofTimeout = absl::Hours(2);

struct Nic {
  std::string mac_address;  // empty: the source's own
  std::string static_address;
  std::string gateway;
  std::string bridge;
  bool operator==(const Nic&) const = default;
};

struct PortForward {
  int guest_port = 0;
  int host_port = 0;         // 0: a free one is chosen and reported
  std::string host_address;  // empty: 127.0.0.1
  bool operator==(const PortForward&) const = default;
};

struct HttpCheck {
  int guest_port = 0;
  std::string path;  // empty: "/"
  int status = 200;
  std::string body_contains;
  bool operator==(const HttpCheck&) const = default;
};

struct CommandCheck {
  std::string command;
  int exit_code = 0;
  std::string output_contains;
  bool operator==(const CommandCheck&) const = default;
};

// Nothing set means: the kernel starts init, as the serial console shows.
struct BootProof {
  absl::Duration timeout = kDefaultProofTimeout;
  std::string console_text;
  std::vector<int> tcp_ports;
  std::vector<HttpCheck> http_checks;
  bool guest_agent = false;
  std::vector<CommandCheck> commands;
  bool operator==(const BootProof&) const = default;
};

// The numbers are those of godwit.jobs.v1.PostLaunchAction.
enum class Deployment { kTestAndCutover = 1, kTestOnly = 2, kCutoverOnly = 3 };
enum class Transport { kAuto = 1, kGuestAgent = 2, kSsh = 3 };
enum class Licensing { kByol = 1, kProvided = 2 };

struct PostLaunchAction {
  std::string id;
  int order = 0;
  std::string command;
  absl::Duration timeout = absl::Minutes(1);
  bool must_succeed = false;
  std::string operating_system;  // "linux", "windows" or empty
  Deployment deployment = Deployment::kTestAndCutover;
  bool active = false;
  std::map<std::string, std::string> parameters;
  Transport transport = Transport::kAuto;
  bool operator==(const PostLaunchAction&) const = default;
};

struct LaunchSettings {
  std::string target = "qemu";
  std::string profile = "kvm-virtio";
  BootMode boot_mode = BootMode::kUseSource;
  Disposition disposition = Disposition::kStarted;
  RightSizing right_sizing = RightSizing::kBasic;
  int cpu_count = 0;              // 0: right-sizing chooses
  std::int64_t memory_bytes = 0;  // 0: right-sizing chooses
  std::string machine_name;
  std::vector<Nic> nics;
  Network test_network = Network::kIsolated;
  Network cutover_network = Network::kUser;
  std::vector<PortForward> port_forwards;
  BootProof boot_proof;
  bool quiesce_source_on_cutover = false;
  bool copy_tags = false;
  bool copy_private_ip = false;
  Licensing licensing = Licensing::kByol;
  std::string licensing_note;
  std::string disk_bus;  // empty: what the conversion made ready
  std::map<std::string, std::string> machine_tags;
  // Windows guests whose hives or file systems were not closed in order are taken as they are.
  bool windows_allow_unclean = false;
  std::string export_format;              // of target export; empty: qcow2
  std::vector<PostLaunchAction> actions;  // in their order
  bool operator==(const LaunchSettings&) const = default;
};

}  // namespace godwit::jobs
