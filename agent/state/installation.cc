#include "agent/state/installation.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {

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
  return installation;
}

absl::Status SaveInstallation(const Installation& installation, const std::string& folder) {
  const nlohmann::json json = {{"server", installation.server},
                               {"registry", installation.registry},
                               {"replication", installation.replication},
                               {"disk_seed", installation.disk_seed},
                               {"certificate_generation", installation.certificate_generation},
                               {"disk_ids", installation.disk_ids}};
  RETURN_IF_ERROR(MakeDirs(folder, 0700));
  return WriteFileAtomically(folder + "/installation.json", json.dump(2) + "\n");
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
