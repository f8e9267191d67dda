// The facts that steps leave for each other and for readers, typed. Kept in Outputs under stable
// keys (a change of meaning raises kPlanVersion).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/jobs/app/ports.h"
#include "services/jobs/domain/job.h"

namespace godwit::jobs {

inline constexpr char kFactPoint[] = "point";
inline constexpr char kFactPointTry[] = "point_try";
inline constexpr char kFactPointAsked[] = "point_asked";    // when the present try was asked for
inline constexpr char kFactQuiesceTime[] = "quiesce_time";  // of the hooks, else the cut
inline constexpr char kFactClone[] = "clone";
inline constexpr char kFactTask[] = "conversion_task";
inline constexpr char kFactFirmware[] = "hint_firmware";
inline constexpr char kFactDiskBus[] = "hint_disk_bus";
inline constexpr char kFactNicModel[] = "hint_nic_model";
inline constexpr char kFactLaunchTime[] = "launch_time";
inline constexpr char kFactProvenTime[] = "proven_time";
inline constexpr char kFactAccelerator[] = "accelerator";
inline constexpr char kFactConsoleLog[] = "console_log";
inline constexpr char kFactFolder[] = "folder";
inline constexpr char kFactScreenshotTime[] = "screenshot_time";
inline constexpr char kFactBootFailure[] = "boot_failure";
inline constexpr char kFactAttempts[] = "attempt";  // list
inline constexpr char kFactFirstBoot[] = "first_boot";

std::string GetFact(const Outputs& facts, const std::string& key);
std::int64_t GetInt(const Outputs& facts, const std::string& key);
void PutTime(Outputs& facts, const std::string& key, absl::Time time);
std::optional<absl::Time> GetTime(const Outputs& facts, const std::string& key);

void PutServer(Outputs& facts, const ServerInfo& server);
ServerInfo GetServer(const Outputs& facts);
void PutDisks(Outputs& facts, const std::vector<CloneDisk>& disks);
std::vector<CloneDisk> GetDisks(const Outputs& facts);
void PutEndpoints(Outputs& facts, const std::map<int, std::string>& endpoints);
std::map<int, std::string> GetEndpoints(const Outputs& facts);
// Lists of texts under "KEY.0", "KEY.1"...
void PutList(Outputs& facts, const std::string& key, const std::vector<std::string>& list);
std::vector<std::string> GetList(const Outputs& facts, const std::string& key);
void PutActions(Outputs& facts, const std::vector<ActionReport>& actions);
std::vector<ActionReport> GetActions(const Outputs& facts);
void PutProof(Outputs& facts, const std::vector<std::string>& proof);
std::vector<std::string> GetProof(const Outputs& facts);

// The machine of a launch, as far as it got.
MachineReport GetMachine(const Run& run);

}  // namespace godwit::jobs
