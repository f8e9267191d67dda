#include "services/jobs/app/facts.h"

#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

std::string Key(absl::string_view list, std::size_t index, absl::string_view field) {
  return absl::StrCat(list, ".", index, ".", field);
}

constexpr char kTagPrefix[] = "server_tag.";

}  // namespace

std::string GetFact(const Outputs& facts, const std::string& key) {
  const auto found = facts.find(key);
  return found == facts.end() ? "" : found->second;
}

std::int64_t GetInt(const Outputs& facts, const std::string& key) {
  std::int64_t value = 0;
  return absl::SimpleAtoi(GetFact(facts, key), &value) ? value : 0;
}

void PutTime(Outputs& facts, const std::string& key, absl::Time time) {
  facts[key] = absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

std::optional<absl::Time> GetTime(const Outputs& facts, const std::string& key) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, GetFact(facts, key), &time, &error)) return std::nullopt;
  return time;
}

void PutServer(Outputs& facts, const ServerInfo& server) {
  facts["server_hostname"] = server.hostname;
  facts["server_boot_mode"] = server.boot_mode;
  facts["server_cores"] = absl::StrCat(server.core_count);
  facts["server_memory"] = absl::StrCat(server.memory_bytes);
  facts["server_use_samples"] = absl::StrCat(server.use.sample_count);
  // Thousandths: what is chosen from it is the same in every process that goes on with the job.
  facts["server_use_millicores"] =
      absl::StrCat(static_cast<std::int64_t>(std::ceil(server.use.p95_cores * 1000)));
  facts["server_use_memory"] = absl::StrCat(server.use.peak_memory_bytes);
  facts["server_os"] = server.os_family;
  for (const auto& [key, value] : server.tags) facts[absl::StrCat(kTagPrefix, key)] = value;
  facts["server_nics"] = absl::StrCat(server.nics.size());
  for (std::size_t i = 0; i < server.nics.size(); ++i) {
    facts[Key("server_nic", i, "name")] = server.nics[i].name;
    facts[Key("server_nic", i, "mac")] = server.nics[i].mac_address;
    facts[Key("server_nic", i, "address")] = server.nics[i].address;
  }
}

ServerInfo GetServer(const Outputs& facts) {
  ServerInfo server{
      .hostname = GetFact(facts, "server_hostname"),
      .boot_mode = GetFact(facts, "server_boot_mode"),
      .core_count = static_cast<int>(GetInt(facts, "server_cores")),
      .memory_bytes = GetInt(facts, "server_memory"),
      .use = {.sample_count = GetInt(facts, "server_use_samples"),
              .p95_cores = static_cast<double>(GetInt(facts, "server_use_millicores")) / 1000,
              .peak_memory_bytes = GetInt(facts, "server_use_memory")},
      .os_family = GetFact(facts, "server_os")};
  for (auto fact = facts.lower_bound(kTagPrefix);
       fact != facts.end() && absl::StartsWith(fact->first, kTagPrefix); ++fact) {
    server.tags[fact->first.substr(sizeof(kTagPrefix) - 1)] = fact->second;
  }
  const auto count = static_cast<std::size_t>(GetInt(facts, "server_nics"));
  for (std::size_t i = 0; i < count; ++i) {
    server.nics.push_back({.name = GetFact(facts, Key("server_nic", i, "name")),
                           .mac_address = GetFact(facts, Key("server_nic", i, "mac")),
                           .address = GetFact(facts, Key("server_nic", i, "address"))});
  }
  return server;
}

void PutDisks(Outputs& facts, const std::vector<CloneDisk>& disks) {
  facts["disks"] = absl::StrCat(disks.size());
  for (std::size_t i = 0; i < disks.size(); ++i) {
    facts[Key("disk", i, "id")] = disks[i].disk_id;
    facts[Key("disk", i, "device")] = disks[i].device_name;
    facts[Key("disk", i, "size")] = absl::StrCat(disks[i].size_bytes);
    facts[Key("disk", i, "boot")] = disks[i].is_boot_disk ? "1" : "0";
    facts[Key("disk", i, "path")] = disks[i].path;
  }
}

std::vector<CloneDisk> GetDisks(const Outputs& facts) {
  std::vector<CloneDisk> disks;
  const auto count = static_cast<std::size_t>(GetInt(facts, "disks"));
  for (std::size_t i = 0; i < count; ++i) {
    disks.push_back({.disk_id = GetFact(facts, Key("disk", i, "id")),
                     .device_name = GetFact(facts, Key("disk", i, "device")),
                     .size_bytes = GetInt(facts, Key("disk", i, "size")),
                     .is_boot_disk = GetFact(facts, Key("disk", i, "boot")) == "1",
                     .path = GetFact(facts, Key("disk", i, "path"))});
  }
  return disks;
}

void PutEndpoints(Outputs& facts, const std::map<int, std::string>& endpoints) {
  for (const auto& [port, endpoint] : endpoints) facts[absl::StrCat("endpoint.", port)] = endpoint;
}

std::map<int, std::string> GetEndpoints(const Outputs& facts) {
  std::map<int, std::string> out;
  for (auto fact = facts.lower_bound("endpoint.");
       fact != facts.end() && absl::StartsWith(fact->first, "endpoint."); ++fact) {
    int port = 0;
    if (absl::SimpleAtoi(fact->first.substr(9), &port)) out[port] = fact->second;
  }
  return out;
}

void PutProof(Outputs& facts, const std::vector<std::string>& proof) {
  facts["proofs"] = absl::StrCat(proof.size());
  for (std::size_t i = 0; i < proof.size(); ++i) facts[absl::StrCat("proof.", i)] = proof[i];
}

std::vector<std::string> GetProof(const Outputs& facts) {
  std::vector<std::string> out;
  const auto count = static_cast<std::size_t>(GetInt(facts, "proofs"));
  for (std::size_t i = 0; i < count; ++i) out.push_back(GetFact(facts, absl::StrCat("proof.", i)));
  return out;
}

void PutList(Outputs& facts, const std::string& key, const std::vector<std::string>& list) {
  facts[absl::StrCat(key, ".count")] = absl::StrCat(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) facts[absl::StrCat(key, ".", i)] = list[i];
}

std::vector<std::string> GetList(const Outputs& facts, const std::string& key) {
  std::vector<std::string> out;
  const auto count = static_cast<std::size_t>(GetInt(facts, absl::StrCat(key, ".count")));
  for (std::size_t i = 0; i < count; ++i) out.push_back(GetFact(facts, absl::StrCat(key, ".", i)));
  return out;
}

void PutActions(Outputs& facts, const std::vector<ActionReport>& actions) {
  facts["actions"] = absl::StrCat(actions.size());
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const ActionReport& action = actions[i];
    facts[Key("action", i, "id")] = action.id;
    facts[Key("action", i, "state")] = absl::StrCat(static_cast<int>(action.state));
    facts[Key("action", i, "blocks")] = action.blocks_cutover ? "1" : "0";
    facts[Key("action", i, "transport")] = action.transport;
    facts[Key("action", i, "exit_code")] = absl::StrCat(action.exit_code);
    facts[Key("action", i, "message")] = action.message;
  }
}

std::vector<ActionReport> GetActions(const Outputs& facts) {
  std::vector<ActionReport> out;
  const auto count = static_cast<std::size_t>(GetInt(facts, "actions"));
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(
        {.id = GetFact(facts, Key("action", i, "id")),
         .state = static_cast<ActionReport::State>(GetInt(facts, Key("action", i, "state"))),
         .blocks_cutover = GetFact(facts, Key("action", i, "blocks")) == "1",
         .transport = GetFact(facts, Key("action", i, "transport")),
         .exit_code = static_cast<int>(GetInt(facts, Key("action", i, "exit_code"))),
         .message = GetFact(facts, Key("action", i, "message"))});
  }
  return out;
}

MachineReport GetMachine(const Run& run) {
  const int first_boot = static_cast<int>(GetInt(run.outputs, kFactFirstBoot));
  return {.machine_id = run.machine_id,
          .target = run.input.settings.target,
          .purpose = run.type,
          .job_id = run.job_id,
          .launch_time = GetTime(run.outputs, kFactLaunchTime).value_or(absl::InfinitePast()),
          .first_boot = first_boot == 0 ? 1 : first_boot,
          .endpoints = GetEndpoints(run.outputs),
          .console_log = GetFact(run.outputs, kFactConsoleLog),
          .proof = GetProof(run.outputs),
          .accelerator = GetFact(run.outputs, kFactAccelerator),
          .actions = GetActions(run.outputs),
          .network_attempts = GetList(run.outputs, kFactAttempts),
          .folder = GetFact(run.outputs, kFactFolder)};
}

}  // namespace godwit::jobs
