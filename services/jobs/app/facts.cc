#include "services/jobs/app/facts.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

std::string Key(absl::string_view list, std::size_t index, absl::string_view field) {
  return absl::StrCat(list, ".", index, ".", field);
}

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
  facts["server_nics"] = absl::StrCat(server.nics.size());
  for (std::size_t i = 0; i < server.nics.size(); ++i) {
    facts[Key("server_nic", i, "name")] = server.nics[i].name;
    facts[Key("server_nic", i, "mac")] = server.nics[i].mac_address;
  }
}

ServerInfo GetServer(const Outputs& facts) {
  ServerInfo server{.hostname = GetFact(facts, "server_hostname"),
                    .boot_mode = GetFact(facts, "server_boot_mode"),
                    .core_count = static_cast<int>(GetInt(facts, "server_cores")),
                    .memory_bytes = GetInt(facts, "server_memory")};
  const auto count = static_cast<std::size_t>(GetInt(facts, "server_nics"));
  for (std::size_t i = 0; i < count; ++i) {
    server.nics.push_back({.name = GetFact(facts, Key("server_nic", i, "name")),
                           .mac_address = GetFact(facts, Key("server_nic", i, "mac"))});
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
          .accelerator = GetFact(run.outputs, kFactAccelerator)};
}

}  // namespace godwit::jobs
