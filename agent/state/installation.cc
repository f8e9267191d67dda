#include "agent/state/installation.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

nlohmann::json ToJson(const KnownDisk& disk) {
  return {{"disk_id", disk.disk_id},         {"base_id", disk.base_id},
          {"generation", disk.generation},   {"identity", disk.identity},
          {"device_name", disk.device_name}, {"size_bytes", disk.size_bytes},
          {"boot_disk", disk.is_boot_disk},  {"sequence", disk.sequence},
          {"forgotten", disk.forgotten}};
}

// False when it is damaged.
bool FromJson(const nlohmann::json& json, KnownDisk* disk) {
  const KnownDisk empty;
  const nlohmann::json expected = ToJson(empty);
  if (!json.is_object()) return false;
  for (const auto& [key, value] : expected.items()) {
    const auto found = json.find(key);
    if (found == json.end()) return false;
    if (value.is_number() ? !found->is_number_integer() : found->type() != value.type())
      return false;
  }
  *disk = {.disk_id = json["disk_id"].get<std::string>(),
           .base_id = json["base_id"].get<std::string>(),
           .generation = json["generation"].get<std::int64_t>(),
           .identity = json["identity"].get<std::string>(),
           .device_name = json["device_name"].get<std::string>(),
           .size_bytes = json["size_bytes"].get<std::uint64_t>(),
           .is_boot_disk = json["boot_disk"].get<bool>(),
           .sequence = json["sequence"].get<std::string>(),
           .forgotten = json["forgotten"].get<bool>()};
  return CheckId("disk", "d-", disk->disk_id).ok() && CheckId("disk", "d-", disk->base_id).ok();
}

}  // namespace

absl::StatusOr<Installation> LoadInstallation(const std::string& folder) {
  const absl::StatusOr<std::string> text = ReadFile(folder + "/installation.json", 1 << 20);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        "the agent is not installed on this machine: run \"godwit-agent install\"");
  }
  RETURN_IF_ERROR(text);
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const auto text_of = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_string()
               ? json[key].get<std::string>()
               : "";
  };
  Installation installation{.server = text_of("server"),
                            .registry = text_of("registry"),
                            .replication = text_of("replication"),
                            .disk_seed = text_of("disk_seed")};
  if (!CheckId("server", "s-", installation.server).ok() || installation.disk_seed.empty()) {
    return absl::DataLossError(
        folder + "/installation.json is damaged: uninstall and install the agent again");
  }
  if (json.contains("certificate_generation") &&
      json["certificate_generation"].is_number_integer()) {
    installation.certificate_generation = json["certificate_generation"].get<std::int64_t>();
  }
  if (json.contains("disk_ids") && json["disk_ids"].is_array()) {
    for (const auto& id : json["disk_ids"]) {
      if (id.is_string()) installation.disk_ids.push_back(id.get<std::string>());
    }
  }
  if (json.contains("all_disks") && json["all_disks"].is_boolean()) {
    installation.all_disks = json["all_disks"].get<bool>();
  }
  if (json.contains("disks") && json["disks"].is_array()) {
    for (const auto& each : json["disks"]) {
      if (!FromJson(each, &installation.disks.emplace_back())) {
        return absl::DataLossError(
            folder + "/installation.json is damaged: uninstall and install the agent again");
      }
    }
  }
  return installation;
}

absl::Status SaveInstallation(const Installation& installation, const std::string& folder) {
  nlohmann::json disks = nlohmann::json::array();
  for (const KnownDisk& disk : installation.disks) disks.push_back(ToJson(disk));
  const nlohmann::json json = {{"server", installation.server},
                               {"registry", installation.registry},
                               {"replication", installation.replication},
                               {"disk_seed", installation.disk_seed},
                               {"certificate_generation", installation.certificate_generation},
                               {"disk_ids", installation.disk_ids},
                               {"all_disks", installation.all_disks},
                               {"disks", disks}};
  RETURN_IF_ERROR(MakeDirs(folder, 0700));
  return WriteFileAtomically(folder + "/installation.json", json.dump(2) + "\n");
}

absl::StatusOr<Installation> UpdateInstallation(
    const std::function<absl::Status(Installation& installation)>& change,
    const std::string& folder) {
  RETURN_IF_ERROR(LoadInstallation(folder).status());  // there is one
  const std::string path = folder + "/lock";
  const Fd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid() || flock(lock.get(), LOCK_EX) != 0) return ErrnoStatus(path);
  ASSIGN_OR_RETURN(Installation installation, LoadInstallation(folder));
  RETURN_IF_ERROR(change(installation));
  RETURN_IF_ERROR(SaveInstallation(installation, folder));
  return installation;
}

std::string TlsFolder(const std::string& folder) { return folder + "/tls"; }

absl::Status SaveTls(const rpc::TlsMaterial& tls, const std::string& folder) {
  namespace fs = std::filesystem;
  const std::string name = absl::StrCat("tls-", NewUuid()), fresh = folder + "/" + name;
  RETURN_IF_ERROR(MakeDirs(fresh, 0700));
  RETURN_IF_ERROR(WriteFileAtomically(fresh + "/ca.crt", tls.ca));
  RETURN_IF_ERROR(WriteFileAtomically(fresh + "/tls.key", tls.private_key));
  RETURN_IF_ERROR(WriteFileAtomically(fresh + "/tls.crt", tls.certificate_chain));
  std::error_code error;
  const fs::path before = fs::read_symlink(TlsFolder(folder), error);
  const std::string link = folder + "/.tls-link";
  fs::remove(link, error);
  if (symlink(name.c_str(), link.c_str()) != 0 ||
      rename(link.c_str(), TlsFolder(folder).c_str()) != 0) {
    return ErrnoStatus(TlsFolder(folder));
  }
  RETURN_IF_ERROR(SyncDir(folder));
  if (!before.empty()) fs::remove_all(fs::path(folder) / before, error);
  return absl::OkStatus();
}

}  // namespace godwit::agent
