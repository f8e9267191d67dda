// What jobs need of the other services, as plain values. Implementations (clients/) are
// thread-safe, set deadlines, and give the peer's status unchanged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/jobs/domain/job.h"
#include "services/jobs/domain/right_sizing.h"

namespace godwit::jobs {

struct PointInfo {
  std::string name;  // "sourceServers/{s}/points/{p}"
  absl::Time cut_time;
  std::optional<absl::Time> quiesce_time;
  std::string consistency;  // "CRASH_CONSISTENT"...
};
struct PointProgress {
  enum class State { kWaiting, kCutting, kSucceeded, kFailed } state = State::kWaiting;
  std::string name;
  PointInfo point;
  std::string error;
};
struct PointOrder {
  std::string server;  // "s-..."
  std::string request_id;
  bool quiesce = false, stay_quiesced = false;
  absl::Duration timeout;
  std::string description;
};
struct CloneDisk {
  std::string disk_id, device_name;
  std::int64_t size_bytes = 0;
  bool is_boot_disk = false;
  std::string path;
};
struct CloneInfo {
  std::string name;
  std::string point;             // empty: of what arrived before the first
  std::vector<CloneDisk> disks;  // boot disk first
};

class ReplicationPort {
 public:
  virtual ~ReplicationPort() = default;
  virtual absl::StatusOr<PointProgress> RequestPoint(const PointOrder& order) = 0;
  virtual absl::StatusOr<PointProgress> GetPointRequest(const std::string& name) = 0;
  virtual absl::StatusOr<PointInfo> GetPoint(const std::string& name) = 0;
  // NOT_FOUND: the server has none.
  virtual absl::StatusOr<PointInfo> NewestPoint(const std::string& server) = 0;
  virtual absl::StatusOr<CloneInfo> CreateClone(const std::string& point,
                                                const std::string& request_id) = 0;
  virtual absl::Status DeleteClone(const std::string& name) = 0;
};

struct ConversionNic {
  std::string mac_address, source_mac_address, source_name, static_address, gateway;
};
struct ConversionOrder {
  std::string request_id;
  std::vector<CloneDisk> disks;
  std::string profile;
  BootMode boot_mode = BootMode::kUseSource;
  std::vector<ConversionNic> nics;
  absl::Duration timeout;
  bool preflight = false;   // look and plan only
  bool unfinished = false;  // the disks are what arrived before the first point
  bool windows_allow_unclean = false;
};
struct ConversionProgress {
  enum class State { kPending, kRunning, kSucceeded, kFailed, kCancelled } state = State::kPending;
  std::string name;
  absl::Status error;
  int change_count = 0;
  std::vector<std::string> warnings;
  std::string firmware, disk_bus, nic_model;  // hints; empty when unknown
};

class ConversionPort {
 public:
  virtual ~ConversionPort() = default;
  virtual absl::StatusOr<ConversionProgress> CreateTask(const ConversionOrder& order) = 0;
  virtual absl::StatusOr<ConversionProgress> GetTask(const std::string& name) = 0;
  virtual absl::StatusOr<ConversionProgress> CancelTask(const std::string& name) = 0;
};

struct SourceNic {
  std::string name, mac_address;
  std::string address;  // the first IPv4 one, "a.b.c.d/len"; may be empty
};
struct ServerInfo {
  std::string hostname;
  std::string boot_mode;  // "BIOS" or "UEFI", empty when unknown
  int core_count = 0;
  std::int64_t memory_bytes = 0;
  SourceUse use;
  std::vector<SourceNic> nics;
  std::string os_family;  // "linux" or "windows", empty when unknown
  std::map<std::string, std::string> tags;
};
// How a post-launch action ended. The numbers of the states are those of ActionResult.State.
struct ActionReport {
  enum class State { kSucceeded = 1, kFailed = 2, kSkipped = 3 };
  std::string id;
  State state = State::kSucceeded;
  bool blocks_cutover = false;
  std::string transport;
  int exit_code = 0;
  std::string message;
  bool operator==(const ActionReport&) const = default;
};
// A launched machine as the rest of the system sees it.
struct MachineReport {
  std::string machine_id, target;
  JobType purpose = JobType::kTestLaunch;
  std::string job_id;
  absl::Time launch_time;
  int first_boot = 1;  // number of LaunchedMachine.FirstBoot
  std::map<int, std::string> endpoints;
  std::string console_log;
  std::vector<std::string> proof;
  std::string accelerator;
  std::vector<ActionReport> actions;
  std::vector<std::string> network_attempts;
  std::string folder;  // of a machine that is files
};
struct LaunchReport {
  std::string server, job_id, request_id;
  JobType type = JobType::kTestLaunch;
  LaunchStatus status = LaunchStatus::kPending;
  std::optional<MachineReport> machine;
};

class RegistryPort {
 public:
  virtual ~RegistryPort() = default;
  virtual absl::StatusOr<ServerInfo> GetServer(const std::string& server) = 0;
  virtual absl::Status ReportLaunch(const LaunchReport& report) = 0;
};

}  // namespace godwit::jobs
